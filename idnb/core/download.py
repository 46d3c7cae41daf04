"""Fetching a large file once and for good: several hosts in order, resumed where it stopped, checked before use.

Written here on the standard library rather than on pooch: pooch starts again from the first byte after every
interruption and knows one host a file. A gigabyte over a student's line needs both.
"""

from __future__ import annotations

import html
import http.client
import os
import re
import shutil
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from idnb.core.errors import InputError, InputErrors
from idnb.core.files import make_private
from idnb.core.lock import locked
from idnb.core.weights import WeightFile, cache_folder, check_file, file_sha256, pin_file, pinned_sha256

__all__ = ["fetch"]

CHUNK = 1 << 18
LARGEST = 1 << 30  # bytes; half of what is taken where no size is known. The largest file of all has 1.2 GB
ATTEMPTS = 4  # at one host: a connection that breaks is taken up again where it broke
DRIVE = "https://drive.usercontent.google.com/download"


class HostFailed(Exception):
    """One host could not give the file; the message says why. The next host is tried."""


class Interrupted(Exception):
    """The connection broke on the way; what has arrived is kept."""


def fetch(
    entry: WeightFile,
    folder: Path | None = None,
    progress: bool = True,
    report: Callable[[str], None] = print,
    timeout: float = 30.0,
) -> Path:
    """Bring a file of the manifest into the cache, unless it is there already and whole.

    entry: a download entry of the manifest. folder: where to; None is the cache folder.
    progress: draw a bar. report: takes the lines about hosts that failed. timeout: seconds without a byte.
    Returns the path of the checked file.
    Raises InputError that says of each host what happened, and what to do.
    """
    if entry.bundled:
        raise InputError(f"{entry.name} is part of the package; there is nothing to fetch")
    folder = folder or cache_folder()
    path = folder / entry.file
    if check_file(entry, path) is None:
        return path
    with _usable(folder):
        make_private(folder)
        with locked(folder, f"fetching {entry.name}", "wait until it ends, or stop it", f".{entry.file}.lock"):
            return _from_hosts(entry, folder, progress, report, timeout)


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    """Name the folder of downloads, and what can be done, where the disk refuses."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        named = OSError(error.errno, error.strerror, str(folder))
        named.add_note("IDNB_CACHE names another folder for downloads; what has arrived is kept")
        raise named from error


def _from_hosts(entry: WeightFile, folder: Path, progress: bool, report: Callable[[str], None], timeout: float) -> Path:
    """What `fetch` does where the file is not there yet."""
    path = folder / entry.file
    if check_file(entry, path) is None:
        return path  # another process has just brought it
    if entry.size and shutil.disk_usage(folder).free < entry.size:
        raise InputError(f"{folder}: {entry.size / 1e9:.1f} GB are needed and less is free; set IDNB_CACHE elsewhere")
    part = path.with_name(path.name + ".part")
    if part.is_symlink():
        part.unlink()  # whatever it points to is not ours to write into
    failures = []
    for url in entry.urls:
        host = "Google Drive" if url.startswith("gdrive:") else urllib.parse.urlsplit(url).netloc
        try:
            from_host(url, entry, part, progress, timeout)
            _refuse_another(entry, part, path)
            os.replace(part, path)
            if entry.sha256 is None and pinned_sha256(path) is None:
                report(
                    f"{entry.name}: no checksum of this file is published. Its sha256 is {pin_file(path)}, remembered "
                    f"in {path.name}.sha256. Compare it with somebody else's, or with the file from another network"
                )
            return path
        except HostFailed as failure:
            failures.append(f"  {host}: {failure}")
            report(f"{entry.name}: {host}: {failure}" + ("; trying the next host" if url != entry.urls[-1] else ""))
    raise InputErrors(
        f"{entry.name}: no host gave the file.\n"
        + "\n".join(failures)
        + f"\nIf this machine is offline, fetch the file elsewhere and put it at {path}; "
        f"if a host is over its quota, try again tomorrow. What has arrived is kept and used."
    )


def _refuse_another(entry: WeightFile, part: Path, path: Path) -> None:
    """Raise HostFailed when a file without published checksum is another one than was fetched the first time."""
    pin = pinned_sha256(path) if entry.sha256 is None else None
    if pin is not None and file_sha256(part) != pin:
        part.unlink()
        raise HostFailed(f"it sent another file than the first time (sha256 {pin[:16]}..., in {path.name}.sha256)")


def from_host(url: str, entry: WeightFile, part: Path, progress: bool, timeout: float) -> None:
    """Get the whole, checked file from one host into `part`, or raise HostFailed."""
    for fresh in (False, True):
        resumed = transfer_with_retries(url, entry, part, progress, timeout)
        wrong = check_file(entry, part)
        if wrong is None:
            return
        part.unlink(missing_ok=True)
        # A file put together from two transfers may mix two versions: once more, from the first byte.
        if fresh or not resumed:
            raise HostFailed(f"what it sent {wrong}")


def transfer_with_retries(url: str, entry: WeightFile, part: Path, progress: bool, timeout: float) -> bool:
    """Transfer, taking a broken connection up again; True when something had been there before."""
    resumed = part.is_file() and part.stat().st_size > 0
    for attempt in range(ATTEMPTS):
        before = part.stat().st_size if part.is_file() else 0
        try:
            transfer(url, entry, part, progress, timeout)
            return resumed
        except Interrupted as broken:
            after = part.stat().st_size if part.is_file() else 0
            if attempt + 1 == ATTEMPTS or after <= before:
                raise HostFailed(f"{broken} after {after:,} bytes") from broken
            resumed = True
    return resumed


def transfer(url: str, entry: WeightFile, part: Path, progress: bool, timeout: float) -> None:
    """One connection: append to `part` what is missing from it.

    Raises HostFailed when the host has not got the file, Interrupted when the connection breaks.
    """
    have = part.stat().st_size if part.is_file() else 0
    if have and check_file(entry, part) is None and entry.sha256:
        return  # whole already; the last run ended between transfer and rename
    size = None if entry.also else entry.size  # of the other accepted files the size is not known
    limit = size or 2 * (entry.size or LARGEST)
    if size is not None and have >= size:
        part.unlink()
        have = 0
    with open_url(url, have, timeout) as response:
        length = response.headers.get("Content-Length")
        resuming = response.status == 206 and starts_at(response.headers.get("Content-Range"), have)
        if response.status == 206 and not resuming:
            raise HostFailed("it answered with a part of the file that was not asked for")
        if not resuming:
            have = 0  # the host ignores ranges and sends all of it
        if length is not None and not (length.isascii() and length.isdecimal() and len(length) < 16):
            raise HostFailed(f"its answer has the length {length[:40]!r}")
        total = have + int(length) if length else None
        if "text/html" in response.headers.get("Content-Type", ""):
            raise HostFailed(explain_page(response.read(200_000)))
        if size is not None and total is not None and total != size:
            first = response.read(CHUNK)
            if looks_like_page(first):
                raise HostFailed(explain_page(first))
            raise HostFailed(f"it offers {total:,} bytes where {size:,} are expected")
        if total is not None and total > limit:
            raise HostFailed(f"it offers {total:,} bytes where at most {limit:,} are expected")
        with (
            open(part, "ab" if resuming else "wb", opener=_no_link) as file,
            tqdm(
                total=total or entry.size,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=entry.file,
                disable=not progress,
            ) as bar,
        ):
            while chunk := read_chunk(response):
                if not have and looks_like_page(chunk):
                    raise HostFailed(explain_page(chunk))
                have += len(chunk)
                if have > limit:
                    part.unlink(missing_ok=True)
                    raise HostFailed(f"it sent more than the {limit:,} bytes that are expected at most")
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and have < total:
        raise Interrupted("the connection broke")


def open_url(url: str, start: int, timeout: float) -> Any:
    """Open a URL, or `gdrive:ID`, from byte `start` on."""
    if url.startswith("gdrive:"):
        return open_drive(url.removeprefix("gdrive:"), start, timeout)
    headers = {"User-Agent": "idnb", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout, context=tls(url))
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing beyond what we have, or another file: start again
            return open_url(url, 0, timeout)
        raise HostFailed(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise HostFailed(f"cannot be reached ({error.reason}); is this machine online?") from error
    except (OSError, http.client.HTTPException) as error:
        raise HostFailed(f"cannot be reached ({error or type(error).__name__})") from error
    except ValueError as error:  # what urllib makes of an address that is none, in a redirect for example
        raise HostFailed(f"it sends on to an address that is none ({error})") from error


def _no_link(path: str, flags: int) -> int:
    """Open a file, but not what a link of its name points to."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def tls(url: str) -> ssl.SSLContext | None:
    """Certificates from certifi where it is installed: some Python builds for macOS come without any."""
    if not url.startswith("https"):
        return None
    try:
        import certifi
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def open_drive(identifier: str, start: int, timeout: float) -> Any:
    """Open a Google Drive file; for large ones Drive first sends a page with a form, whose fields are sent back."""
    query = {"id": identifier, "export": "download", "confirm": "t"}
    response = open_url(f"{DRIVE}?{urllib.parse.urlencode(query)}", start, timeout)
    if "text/html" not in response.headers.get("Content-Type", ""):
        return response
    with response:
        page = response.read(200_000).decode("utf-8", "replace")
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
    if "confirm" not in fields:
        raise HostFailed(explain_page(page.encode()))
    return open_url(f"{DRIVE}?{urllib.parse.urlencode({**query, **fields})}", start, timeout)


def read_chunk(response: Any) -> bytes:
    """The next bytes; b"" at the end. A broken connection raises Interrupted."""
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"the connection broke ({type(error).__name__})") from error


def starts_at(content_range: str | None, start: int) -> bool:
    """True when a Content-Range header says that the part begins at byte `start`."""
    match = re.match(r"bytes (\d+)-", content_range or "")
    return match is not None and int(match.group(1)) == start


def looks_like_page(chunk: bytes) -> bool:
    """True for the beginning of an HTML page."""
    return chunk[:256].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def explain_page(page: bytes) -> str:
    """What an HTML answer means, in plain words."""
    text = page.decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    name = f" titled {html.unescape(title.group(1)).strip()[:80]!r}" if title else ""
    if re.search(r"quota|too many users", text, re.IGNORECASE):
        return f"its download quota for this file is used up (it sent a web page{name}); try again tomorrow"
    return f"it sent a web page{name} in place of the file (a log-in or error page)"
