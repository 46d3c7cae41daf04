"""Files of tensors: read without running code of theirs and without believing what they say of their size.

A small file can ask for much memory: a packed archive, a tensor whose stride is 0, a size that no byte stands behind.
Archives are therefore looked at before they are opened, mapped and not unpacked, and every tensor is compared with the
bytes that are there. What a file is, is told from its first bytes; its suffix does not matter.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idnb.core.errors import InputError
from idnb.core.files import whole_file
from idnb.core.messages import is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "check_numbers",
    "find_fault",
    "flat_tensors",
    "load_strictly",
    "map_content",
    "read_content",
    "read_tensors",
    "without_wrapper",
    "write_tensors",
]

WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
LARGEST_PICKLE = 4 << 20  # bytes; that of the largest public file has 200,000
SHARED = 4  # so many times the bytes of a file may its tensors have, where some share their storage


def read_content(path: str | Path) -> Any:
    """What a .safetensors or PyTorch file holds, all tensors on the CPU and with memory of their own.

    Raises InputError that says why it cannot be read, and what to do.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; `idnb fetch` lists the weights and where they come from")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        if head.startswith(b"PK"):
            _check_archive(path)
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        elif _is_safetensors(head):
            from safetensors.torch import load_file

            content = load_file(str(path))
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
        _take_over(path, content)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # every reader has exceptions of its own; the cause is chained
        if is_out_of_memory(error):
            raise
        raise InputError(f"{path}: {_diagnose(path, error)}") from error
    return content


def map_content(path: Path) -> Any:
    """What an archive of PyTorch holds, its tensors mapped from the file; for files of our own making, which stay.

    Raises InputError where it is damaged.
    """
    import torch

    _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch.load has many exception types; the cause is chained
        if is_out_of_memory(error):
            raise
        raise InputError(f"{path}: {_diagnose(path, error)}") from error


def _is_safetensors(head: bytes) -> bool:
    """True for the first bytes of a .safetensors file: a length of eight bytes, then a JSON object."""
    return head[8:9] == b"{" and not head.startswith(b"\x80")


def _check_archive(path: Path) -> None:
    """Raise InputError for a PyTorch file that is cut off, damaged, or larger inside than outside."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 22))
        tail = file.read()
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        raise InputError(
            f"{path}: a truncated PyTorch file ({size:,} bytes): the download broke off; delete it and fetch it again"
        ) from error
    with archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise InputError(
                f"{path}: an archive of {size / 1e6:,.1f} MB that unpacks to {unpacked / 1e6:,.1f} MB, which "
                "PyTorch does not write; get the file from its source"
            )
        if any(entry.file_size > LARGEST_PICKLE for entry in entries if entry.filename.endswith(".pkl")):
            raise InputError(f"{path}: holds mostly Python objects, no weights; is it the file of another program?")
        whole = tail.startswith(b"PK\x05\x06")  # nothing may follow: readers look for the table of contents there
        try:
            whole = whole and archive.testzip() is None
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError):
            whole = False
        if not whole:
            raise InputError(f"{path}: truncated or damaged ({size:,} bytes); delete it and get it again")


def _take_over(path: Path, content: Any) -> None:
    """Give every tensor memory of its own, once it is known to be no larger than the bytes behind it."""
    from torch import Tensor as AnyTensor
    from torch import nn, strided

    allowed = SHARED * path.stat().st_size
    for name, tensor in _tensors(content):
        plain = type(tensor) in (AnyTensor, nn.Parameter) and tensor.layout == strided and not tensor.is_quantized
        if not plain or tensor.device.type != "cpu":
            raise InputError(f"{path}: {name} is no plain tensor; save plain float tensors")
        size = tensor.numel() * tensor.element_size()
        allowed -= size
        if size > tensor.untyped_storage().nbytes() or allowed < 0:
            raise InputError(
                f"{path}: {name} would be larger ({size / 1e6:,.1f} MB) than what the file holds of it; save it with "
                ".contiguous().clone()"
            )
        tensor.data = tensor.data.clone()


def _tensors(content: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor inside dictionaries, lists and tuples, once, with the way to it."""
    from torch import Tensor as AnyTensor

    seen: set[int] = set()
    left: list[tuple[str, Any]] = [("", content)]
    while left:
        name, value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, AnyTensor):
            yield name or "the tensor", value
        elif isinstance(value, Mapping):
            left += [(f"{name}.{key}" if name else str(key), part) for key, part in value.items()]
        elif isinstance(value, list | tuple):
            left += [(f"{name}.{place}" if name else str(place), part) for place, part in enumerate(value)]


def find_fault(content: Any) -> str | None:
    """The first tensor inside dictionaries and lists that holds NaN or infinity, in words; None where there is none."""
    for name, tensor in _tensors(content):
        if (tensor.is_floating_point() or tensor.is_complex()) and not bool(tensor.isfinite().all()):
            return f"{name} holds values that are no numbers (NaN or infinity)"
    return None


def _diagnose(path: Path, error: Exception) -> str:
    """What a file that could not be read is, and the remedy."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
    start = head.lstrip().lower()
    if size == 0:
        return "an empty file: the download did not start; delete it and fetch it again"
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")) or b"<html" in start[:512]:
        return (
            "an HTML page, not weights: the host answered with a quota, log-in or error page; delete it and fetch it "
            "again with `idnb fetch`, or open the link in a browser"
        )
    if any(word in head for word in (b"torch_utils.persistence", b"dnnlib", b"training.networks")):
        return (
            "NVIDIA's own pickle, which runs code of its project when it is opened; expected is a file of tensors only"
        )
    if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return (
            f"a pickle that holds more than tensors: Python objects beside tensors ({named[1]}), and loading those "
            "would run code from the file; ask its author for tensors only, saved as "
            "torch.save({'g_ema': generator.state_dict()}, path)"
        )
    if _is_safetensors(head) or head.startswith((b"\x80", b"PK")):
        return f"truncated or damaged ({size:,} bytes); delete it and get it again"
    return f"truncated, or not a weight file (it starts with {head[:12]!r}); get it again with `idnb fetch`"


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read a flat dictionary of tensors from a .safetensors or PyTorch file; half precision becomes float32.

    Raises InputError that says what the file is instead.
    """
    return flat_tensors(path, read_content(path))


def flat_tensors(path: str | Path, content: Any) -> dict[str, Tensor]:
    """A state dict out of what a file holds, without the prefixes of wrappers; half precision becomes float32.

    Raises InputError where it is not one.
    """
    import torch

    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise InputError(f"{path}: holds no flat dictionary of tensors; is it the file of another network?")
    return {
        key: value.detach().float() if value.dtype in (torch.float16, torch.bfloat16) else value.detach()
        for key, value in without_wrapper(content).items()
    }


def without_wrapper(state: Mapping[Any, Any]) -> dict[str, Any]:
    """A state dict without `module.` and `_orig_mod.`, which wrappers put before every name."""
    names = [str(key) for key in state]
    cut = 0
    while prefix := next((p for p in WRAPPERS if names and all(name.startswith(p, cut) for name in names)), None):
        cut += len(prefix)
    return {name[cut:]: value for name, value in zip(names, state.values(), strict=True)}


def check_numbers(path: str | Path, state: Mapping[str, Any], wanted: Mapping[str, Tensor]) -> None:
    """Raise InputError unless entries are floating-point numbers, all finite, where the network has such.

    path: for the message. state: what a file holds. wanted: the network's own; entries that only one has are left out.
    """
    import torch

    floats = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    for key, value in state.items():
        if key not in wanted:
            continue
        if wanted[key].is_floating_point():
            if value.dtype not in floats:
                raise InputError(f"{path}: {key} holds {value.dtype}, where weights are floating-point numbers")
            if not bool(value.isfinite().all()):
                raise InputError(
                    f"{path}: {key} holds values that are no numbers (NaN or infinity): its training went wrong, or "
                    "the file is damaged; take an earlier file, or train again with a lower --learning-rate"
                )
        elif value.dtype.is_floating_point or value.dtype.is_complex or value.dtype == torch.bool:
            raise InputError(f"{path}: {key} holds {value.dtype}, where whole numbers belong")


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Put a state dict into a network; every entry must be there with its shape, save BatchNorm's batch counters.

    Raises InputError that names the file and the first entries that do not fit, or are no numbers.
    """
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in wanted]
    differing = [key for key in wanted if key in state and getattr(state[key], "shape", None) != wanted[key].shape]
    faults = [
        f"{len(keys)} entries {what} (first: {keys[0]})"
        for keys, what in ((missing, "missing"), (unknown, "unknown"), (differing, "of another shape"))
        if keys
    ]
    if faults:
        raise InputError(f"{path}: not the weights of {type(network).__name__} at this size: {', '.join(faults)}")
    check_numbers(path, state, wanted)
    network.load_state_dict({**{key: wanted[key] for key in wanted if key not in state}, **state})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file in one step; the same tensors and metadata give the same bytes.

    Raises InputError for NaN and infinity; the file is then left as it was.
    """
    from safetensors.torch import save

    if fault := find_fault(tensors):
        raise InputError(f"{path}: not written: {fault}; was the training whole?")
    content = save({key: tensors[key].contiguous() for key in sorted(tensors)}, metadata=dict(metadata))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])  # safetensors writes the metadata in an order drawn by chance
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with whole_file(path) as file:
        file.writelines((len(text).to_bytes(8, "little"), text, memoryview(content)[8 + length :]))
