"""Checkpoints of training runs: written only while they are sound, and taken up only when they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from idnb.core.errors import InputError
from idnb.core.files import whole_file
from idnb.core.messages import is_out_of_memory
from idnb.core.tensor_files import find_fault, load_strictly, read_content

__all__ = [
    "counter",
    "load_optimizer",
    "load_part",
    "part_state",
    "read_run",
    "save_run",
    "taking_up",
    "to_go_on",
]

REMEDY = "choose another --out, or delete it to begin anew"


def save_run(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all: an interruption leaves the old file whole.

    Raises InputError, and leaves the old file, when a weight is no longer a number.
    """
    import torch

    if fault := find_fault(state):
        kept = f"{path} is as it was before" if path.is_file() else "nothing was written"
        raise InputError(f"{fault}: {kept}; begin again with another --seed or a lower learning rate")
    with whole_file(path) as file:
        torch.save(state, file)


def to_go_on(checkpoint: Path) -> str:
    """What a run that stops can be taken up from, for its message."""
    if checkpoint.is_file():
        return f"{checkpoint} is whole, the same command goes on from there"
    return f"no {checkpoint} was saved yet, so the same command begins anew"


def read_run(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU. Raises InputError for another file, and where a weight is no number."""
    try:
        content = read_content(path)
    except InputError as error:
        raise InputError(f"{error}; damaged, or not a checkpoint of this command: {REMEDY}") from error
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: damaged, or not a checkpoint of this command; {REMEDY}")
    if fault := find_fault(content):
        raise InputError(f"{path}: {fault}; no training goes on from it: {REMEDY}")
    return dict(content)


@contextmanager
def taking_up(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a checkpoint is put into networks and optimisers into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # what is wrong in a foreign file has many exception types; the cause is chained
        if is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [""])[0].strip()[:120]
        raise InputError(
            f"{path}: damaged, or not a checkpoint of this command ({type(error).__name__}: {reason}); {REMEDY}"
        ) from error


def counter(state: Mapping[str, Any], name: str) -> int:
    """A count out of a checkpoint. Raises ValueError unless it is a whole number of 0 or more, KeyError for none."""
    value = state[name]
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError(f"{name} is {value!r}")
    return value


def part_state(part: Any) -> Any:
    """What must be stored of a network, an optimiser, a schedule or a `torch.Generator`."""
    from torch import Generator

    return part.get_state() if isinstance(part, Generator) else part.state_dict()


def load_part(part: Any, state: Any, name: str) -> None:
    """Give it back what `part_state` gave. Raises InputError or ValueError where it belongs to another one.

    name: of the part in the checkpoint, for the message.
    """
    from torch import Generator, nn

    if isinstance(part, nn.Module):
        load_strictly(part, state, f"checkpoint, {name}")
    elif isinstance(part, Generator):
        part.set_state(state)
    elif hasattr(part, "param_groups"):
        load_optimizer(part, state)
    else:
        part.load_state_dict(state)


def load_optimizer(optimizer: Any, state: Mapping[str, Any]) -> None:
    """Give an optimiser its memory back. Raises ValueError where it is that of other parameters.

    optimizer: of torch, or accelerate's wrapper of one. state: what its `state_dict` gave.
    """
    groups, found = optimizer.state_dict()["param_groups"], state["param_groups"]
    for mine, other in zip(groups, found, strict=True):
        if set(mine) != set(other) or mine["params"] != other["params"]:
            raise ValueError("an optimiser of other parameters")
        for name, value in mine.items():
            numbers = other[name] if isinstance(value, list | tuple) else [other[name]]
            if not all(part is None or (isinstance(part, int | float) and math.isfinite(part)) for part in numbers):
                raise ValueError(f"{name} of the optimiser is {other[name]!r}")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, memory in state["state"].items():
        shape = parameters[number].shape
        if any(getattr(value, "shape", shape) not in (shape, ()) for value in memory.values()):
            raise ValueError(f"memory of the optimiser for parameter {number} has another shape")
    optimizer.load_state_dict(state)
