"""What this machine is: versions, device, cores, bf16. Nothing here runs at import."""

import ctypes
import os
import platform
import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = [
    "core_count",
    "fast_bf16",
    "keep_freed_memory",
    "memory_gb",
    "on_colab",
    "package_version",
    "pick_device",
    "report",
]


def package_version(name: str) -> str | None:
    """Return the installed version of a distribution such as `"torch"`, or None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def on_colab() -> bool:
    """Return True inside Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ


def core_count() -> int:
    """Return how many cores this process may use (a container or a scheduler may grant fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pick_device(wanted: "torch.device | str | None" = None) -> "torch.device":
    """Choose the device to compute on.

    wanted: a torch device such as `"cpu"`, `"cuda:1"` or `"mps"`; None takes the fastest there is.
    Returns the device: what was asked for, else CUDA, else Apple's MPS, else the CPU.
    Raises InputError: the device that was asked for is not there.
    """
    import torch

    from idnb.core.errors import InputError

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted is None:
        return torch.device(next(name for name, available in there.items() if available))
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"device {wanted!r} is not a torch device: use 'cpu', 'cuda' or 'mps'") from error
    if not there.get(device.type, False):
        found = ", ".join(name for name, available in there.items() if available)
        menu = " In Colab choose a GPU under Runtime > Change runtime type." if on_colab() else ""
        raise InputError(f"device '{wanted}' is not available on this machine, which has: {found}.{menu}")
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise InputError(f"device '{wanted}' is not available on this machine, whose last one is cuda:{last}")
    return device


def fast_bf16(device: "torch.device | str" = "cpu") -> bool:
    """Tell whether bfloat16 arithmetic is done in hardware, so that it is faster than float32.

    device: the device in question.
    Returns True for GPUs with bf16 units and for CPUs with AMX or AVX512-BF16; False elsewhere (it would be emulated).
    """
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability(device)[0] >= 8
    return kind == "cpu" and bool({"amx_bf16", "avx512_bf16"} & processor_flags())


@cache
def processor_flags() -> frozenset[str]:
    """Return the processor's abilities as Linux names them; elsewhere nothing: PyTorch has no fast bf16 there."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return frozenset()


def report() -> None:
    """Print versions and device in two or three lines, as the set-up cell of every notebook does."""
    from idnb.core.errors import InputError

    if find_spec("torch") is None:
        raise InputError("PyTorch is not installed: see 'Install' in the README, then run this again")
    import torch

    names = ("idnb", "torch", "torchvision", "numpy", "pillow", "matplotlib", "ipywidgets")
    versions = ", ".join(f"{name} {package_version(name) or 'missing'}" for name in names)
    device = pick_device()
    print(f"Python {platform.python_version()}, {versions}")
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory / 2**30
        print(f"Device: {torch.cuda.get_device_name(device)}, {memory:.0f} GB, bf16 {_yes(fast_bf16(device))}")
        return
    print(f"Device: {device.type}, {core_count()} cores, bf16 in hardware: {_yes(fast_bf16(device))}")
    if on_colab():
        print("For a GPU choose Runtime > Change runtime type, then run the notebook again.")


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def memory_gb() -> float | None:
    """Memory of this machine in GB, or None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (ValueError, OSError, AttributeError):
        return None


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory instead of giving it back to the system (Linux with glibc only).

    A training step frees and takes hundreds of large feature maps. By default each is mapped afresh, and the system
    fills it with zeros, page by page: a third of the time of a step on a CPU. Elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
