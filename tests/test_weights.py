"""The manifest, bundled files, and downloads from a real server on this machine that misbehaves in known ways."""

import hashlib
import json
import os
import re
import shlex
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import torch

from idnb.__main__ import build_parser
from idnb.cli.fetch import add_arguments, run
from idnb.core import weights
from idnb.core.download import explain_page, fetch
from idnb.core.errors import InputError
from idnb.core.lock import locked
from idnb.core.tensor_files import read_tensors
from idnb.core.weights import (
    GROUPS,
    WeightFile,
    cache_folder,
    check_file,
    export_bundled,
    pinned_sha256,
    read_manifest,
    weight_path,
)

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA = hashlib.sha256(BODY).hexdigest()


class Host(BaseHTTPRequestHandler):
    """/good obeys ranges; /whole ignores them; /cut breaks off once; /dead, /page, /quota, /other misbehave."""

    requests: ClassVar[list[tuple[str, str | None]]] = []
    cut_left = 1
    sent = 0

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        Host.requests.append((self.path, asked))
        body = BODY
        if self.path in ("/page", "/quota"):
            text = "Google Drive - Quota exceeded" if self.path == "/quota" else "Please log in"
            self.answer(200, f"<!DOCTYPE html><html><title>{text}</title></html>".encode(), "text/html; charset=utf-8")
        elif self.path == "/hidden_page":
            self.answer(200, b"<html><title>Sorry</title></html>", "application/octet-stream")
        elif self.path == "/dead":
            self.send_error(404)
        elif self.path.startswith("/endless"):
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            for _ in range(300):  # 300 MB
                try:
                    self.wfile.write(bytes(1_000_000))
                    Host.sent += 1_000_000
                except OSError:
                    break
        elif self.path.startswith("/length"):
            self.send_response(200)
            self.send_header("Content-Length", self.path.removeprefix("/length/"))
            self.end_headers()
            self.wfile.write(BODY)
        elif self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/redirect/"))
            self.end_headers()
        elif self.path == "/other":
            self.answer(200, BODY[::-1], "application/octet-stream")
        elif self.path == "/short":
            self.answer(200, BODY[:1000], "application/octet-stream")
        elif self.path == "/cut" and Host.cut_left:
            Host.cut_left -= 1
            self.answer(200, body, "application/octet-stream", send=400_000)
        elif asked and self.path != "/whole":
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(body):
                self.send_error(416)
                return
            self.answer(206, body[start:], "application/octet-stream", first=start)
        else:
            self.answer(200, body, "application/octet-stream")

    def answer(self, code: int, body: bytes, kind: str, send: int | None = None, first: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if first is not None:
            self.send_header("Content-Range", f"bytes {first}-{len(BODY) - 1}/{len(BODY)}")
        self.end_headers()
        self.wfile.write(body[:send])


@pytest.fixture
def host(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Host.requests, Host.cut_left = [], 1
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def entry(*urls: str, **changes) -> WeightFile:
    values = {"name": "x", "file": "x.bin", "about": "a test", "licence": "CC0-1.0", "size": len(BODY), "sha256": SHA}
    return WeightFile(**{**values, **changes}, urls=list(urls))


def get(folder, *urls, **changes):
    return fetch(entry(*urls, **changes), folder, progress=False, report=lambda _: None, timeout=5)


def test_two_fetches_of_one_file_never_meet(host, tmp_path):
    with locked(tmp_path, "fetching x", "wait", ".x.bin.lock"):
        with pytest.raises(InputError, match=r"process \d+ on .* is fetching x; wait until it ends"):
            get(tmp_path, f"{host}/good")
        assert get(tmp_path, f"{host}/good", file="y.bin").read_bytes() == BODY  # another file may come meanwhile
    assert not (tmp_path / "x.bin.part").exists() and get(tmp_path, f"{host}/good").read_bytes() == BODY


def test_download_is_checked_and_kept(host, tmp_path):
    path = get(tmp_path, f"{host}/good")
    assert path.read_bytes() == BODY and [p.name for p in tmp_path.iterdir()] == ["x.bin"]
    get(tmp_path, f"{host}/good")
    assert len(Host.requests) == 1  # the second time nothing is asked


def test_resumes_from_an_earlier_run(host, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(BODY[:300_000])
    assert get(tmp_path, f"{host}/good").read_bytes() == BODY
    assert Host.requests == [("/good", "bytes=300000-")]


def test_host_that_ignores_ranges(host, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(BODY[:300_000])
    assert get(tmp_path, f"{host}/whole").read_bytes() == BODY


def test_broken_connection_is_taken_up(host, tmp_path):
    assert get(tmp_path, f"{host}/cut").read_bytes() == BODY
    assert Host.requests == [("/cut", None), ("/cut", "bytes=400000-")]


def test_part_of_another_version_starts_again(host, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(b"?" * 300_000)
    assert get(tmp_path, f"{host}/good").read_bytes() == BODY
    assert [asked for _, asked in Host.requests] == ["bytes=300000-", None]


def test_whole_part_needs_no_transfer(host, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(BODY)
    assert get(tmp_path, f"{host}/good").read_bytes() == BODY and not Host.requests


def test_unknown_size_and_prefix_of_the_hash(host, tmp_path):
    (tmp_path / "x.bin.part").write_bytes(BODY + b"more")  # the host answers 416
    assert get(tmp_path, f"{host}/good", size=None, sha256=SHA[:8]).read_bytes() == BODY


def test_several_hosts_in_order(host, tmp_path):
    said: list[str] = []
    urls = [f"{host}/dead", f"{host}/quota", f"{host}/hidden_page", f"{host}/other", f"{host}/short", f"{host}/good"]
    wanted = entry("http://127.0.0.1:1/nobody", *urls)
    assert fetch(wanted, tmp_path, progress=False, report=said.append, timeout=5).read_bytes() == BODY
    words = ("cannot be reached", "HTTP 404", "quota", "web page titled 'Sorry'", "has sha256", "offers 1,000 bytes")
    assert len(said) == 6 and all(word in line for word, line in zip(words, said, strict=True))


def test_all_hosts_fail_in_plain_words(host, tmp_path):
    with pytest.raises(InputError) as caught:
        get(tmp_path, f"{host}/page", "http://127.0.0.1:1/nobody")
    text = str(caught.value)
    assert "'Please log in'" in text and "is this machine online?" in text and str(tmp_path / "x.bin") in text
    assert not (tmp_path / "x.bin").exists()
    with pytest.raises(InputError, match="has sha256"):
        get(tmp_path, f"{host}/other")
    assert not list(tmp_path.iterdir())  # a wrong file is not kept


@pytest.mark.parametrize("changes", [{}, {"also": ["0" * 64]}, {"size": None, "sha256": None}])
def test_a_host_that_sends_without_end(host, tmp_path, monkeypatch, changes):
    monkeypatch.setattr("idnb.core.download.LARGEST", 5_000_000)
    Host.sent = 0
    assert get(tmp_path, f"{host}/endless", f"{host}/good", **changes).read_bytes() == BODY
    assert Host.sent < 60_000_000  # what lies in buffers on the way is not ours
    with pytest.raises(InputError, match=r"it sent more than the [\d,]+ bytes that are expected"):
        get(tmp_path / "other", f"{host}/endless", **changes)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("length", ["many", "-5", "1e6", "%C2%B2", "9" * 30, "0x10", "+5"])
def test_a_malformed_length_leads_to_the_next_host(host, tmp_path, length):
    assert get(tmp_path, f"{host}/length/{length}", f"{host}/good").read_bytes() == BODY


@pytest.mark.parametrize("place", ["http://[::1", "http://a:b/", "file:///etc/passwd", "http://%zz:9/", "//", "x:y"])
def test_a_malformed_redirect_leads_to_the_next_host(host, tmp_path, place):
    assert get(tmp_path, f"{host}/redirect/{place}", f"{host}/good").read_bytes() == BODY


def test_links_in_the_cache_are_not_written_through(host, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "x.bin.part").symlink_to(other)
    (folder / "x.bin.sha256").symlink_to(other)
    path = get(folder, f"{host}/good", sha256=None)
    assert path.read_bytes() == BODY and not path.is_symlink() and other.read_bytes() == b"mine"
    assert pinned_sha256(path) == SHA


@pytest.mark.parametrize("mask", [0, 0o022, 0o277])
def test_cache_folders_are_for_their_owner_alone(host, tmp_path, mask):
    before = os.umask(mask)
    try:
        get(tmp_path / "a" / "b", f"{host}/good")
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")] == [0o700] * 2


def test_a_file_without_published_checksum_is_pinned(host, tmp_path):
    said: list[str] = []
    unknown = entry(f"{host}/good", sha256=None, size=None)
    path = fetch(unknown, tmp_path, progress=False, report=said.append, timeout=5)
    assert SHA in said[0] and pinned_sha256(path) == SHA and check_file(unknown, path) is None
    path.write_bytes(BODY[:-1] + b"?")
    assert "since it was first fetched" in str(check_file(unknown, path))
    with pytest.raises(InputError, match="another file than the first time"):
        fetch(entry(f"{host}/other", sha256=None, size=None), tmp_path, progress=False, report=said.append, timeout=5)
    assert fetch(unknown, tmp_path, progress=False, report=said.append, timeout=5).read_bytes() == BODY


def test_groups_name_weights_of_the_manifest():
    for names in GROUPS.values():
        assert all(weights.find_weight(name).urls for name in names)


def test_pages_are_explained():
    assert "quota" in explain_page(b"<html>Too many users have viewed or downloaded this file</html>")
    assert "log-in or error" in explain_page(b"<html><title>Sign in</title></html>")


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c"
    monkeypatch.delenv("IDNB_CACHE")
    assert cache_folder().name == "idnb"


def bundle(tmp_path):
    card = WeightFile(
        "net", "net.safetensors", "a test", "CC0-1.0", command="idnb train net", seed=3, metrics={"auc": 1.0}
    )
    state = {"weight": torch.randn(8, 8), "count": torch.tensor(7)}
    return export_bundled(card, state, tmp_path), state


def test_bundled_round_trip(tmp_path):
    path, state = bundle(tmp_path)
    assert weight_path("net", tmp_path) == path
    back = read_tensors(path)
    assert torch.equal(back["weight"], state["weight"].half().float()) and back["count"] == 7
    [row] = json.loads((tmp_path / "manifest.json").read_text())["weights"]
    assert row["command"] == "idnb train net" and row["size"] == path.stat().st_size and len(row["sha256"]) == 64
    bundle(tmp_path)
    assert len(read_manifest(tmp_path)) == 1


def test_damaged_bundled_files_are_named(tmp_path):
    path, _ = bundle(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(InputError, match=r"net\.safetensors has .* bytes .*truncated.*reinstall.*idnb train net"):
        weight_path("net", tmp_path)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="sha256"):
        weight_path("net", tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="is not there"):
        weight_path("net", tmp_path)
    with pytest.raises(InputError, match="known: net"):
        weight_path("nothing", tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        read_manifest(tmp_path)


def test_malformed_entries_of_the_manifest_are_named(tmp_path):
    path, _ = bundle(tmp_path)
    manifest = path.with_name("manifest.json")
    [row] = json.loads(manifest.read_text())["weights"]
    changes = [
        *({"size": value} for value in (-1, 1.5, "8", True, [])),
        *({"file": value} for value in ("../net", "a/b", "", ".", 3, None)),
        *({"sha256": value} for value in ("xyz", 5, "a" * 65)),
        *({"urls": value} for value in ("https://example.org", [1], {})),
        *({"also": ["no"]}, {"metrics": []}, {"seed": "1"}, {"name": ""}, {"name": ["x"]}, {"colour": 1}),
    ]
    for change in changes:
        manifest.write_text(json.dumps({"weights": [{**row, **change}]}))
        with pytest.raises(InputError, match=r"manifest\.json is damaged .*reinstall"):
            read_manifest(tmp_path)
    for content in ([], {"weights": [row, row]}, {"weights": 3}, {"weights": [3]}, {"weights": {}}, {}, 7, None):
        manifest.write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"manifest\.json is damaged"):
            read_manifest(tmp_path)
    path.with_name("net.safetensors.sha256").write_bytes(b"\xff\xfe")
    assert pinned_sha256(path) is None


def test_too_large_for_half_precision(tmp_path):
    with pytest.raises(InputError, match="does not fit into float16"):
        export_bundled(WeightFile("n", "n.safetensors", "", ""), {"w": torch.tensor([1e6])}, tmp_path)


def test_files_that_are_no_weights(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x10" * 100)
    (tmp_path / "b.pt").write_bytes(b"<!DOCTYPE html><html></html>")
    torch.save({"net": {"w": torch.ones(1)}}, tmp_path / "c.pt")
    torch.save({"opts": Host}, tmp_path / "d.pt")
    for name, words in {
        "a.safetensors": "truncated, or not",
        "b.pt": "HTML page",
        "c.pt": "no flat dictionary",
        "d.pt": "pickle that holds more than tensors",
        "e.pt": "no such file",
    }.items():
        with pytest.raises(InputError, match=rf"{name}: .*{words}"):
            read_tensors(tmp_path / name)


def test_shipped_manifest_is_sound():
    manifest = read_manifest()
    assert len({e.name for e in manifest}) == len(manifest)
    for e in manifest:
        assert e.licence and e.about
        if e.bundled:
            assert e.command and e.data and e.metrics
            assert e.seed is not None or e.name == "lpips_alexnet", "every training has a seed; a conversion needs none"
            texts = [
                e.command,
                e.data,
                *(str(part.get("command", "")) for part in e.metrics.values() if isinstance(part, dict)),
            ]
            assert not any(word.startswith(("/", "~")) for text in texts for word in text.split()), e.name
            assert check_file(e, weights.ASSETS / e.file) is None, e.name
        else:
            assert e.sha256 or "no published checksum: pinned when first fetched" in e.about, e.name
            assert e.urls == sorted(e.urls, key=lambda url: url.startswith("gdrive:")), "plain addresses first"
            assert all(url.startswith(("https://", "gdrive:")) for url in e.urls)


def test_a_bundled_file_names_a_command_of_today_or_a_commit() -> None:
    """Whoever wants to make a file again knows what to type, and in which version."""
    for entry in (one for one in read_manifest() if one.bundled):
        assert entry.command
        words = shlex.split(entry.command)[1:]
        if entry.commit is None:
            build_parser(words[0]).parse_args(words)  # raises InputError for what is unknown
            continue
        assert re.fullmatch("[0-9a-f]{7,40}", entry.commit)
        with pytest.raises(InputError):  # otherwise no commit would have to be named
            build_parser(words[0]).parse_args(words)


def command(*words: str) -> int:
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(list(words)))


def test_fetch_command(host, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path))
    assert command() == 0
    assert str(tmp_path) in capsys.readouterr().out
    monkeypatch.setattr("idnb.cli.fetch.read_manifest", lambda: [entry(f"{host}/good")])
    monkeypatch.setattr("idnb.cli.fetch.find_weight", lambda name: entry(f"{host}/good"))
    assert command("--check") == 0 and "absent" in capsys.readouterr().out
    assert command("x", "--quiet") == 0
    assert (tmp_path / "x.bin").read_bytes() == BODY
    assert command("--check") == 0 and "agree" in capsys.readouterr().out
    (tmp_path / "x.bin").write_bytes(BODY[:-1])
    assert command("--check", "x") == 1 and "DAMAGED" in capsys.readouterr().out
    monkeypatch.setattr("idnb.cli.fetch.read_manifest", lambda: [entry(f"{host}/dead", file="y.bin")])
    with pytest.raises(InputError, match="HTTP 404"):
        command("all", "--quiet")
