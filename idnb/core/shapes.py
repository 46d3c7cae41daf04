"""One check that turns a matmul error into a sentence: the shape that was expected beside the shape that came."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from idnb.core.errors import InputError

__all__ = ["check_shape"]


def check_shape(name: str, tensor: Tensor, expected: Sequence[int | str]) -> None:
    """Raise InputError unless a tensor has the expected shape.

    name: what to call the tensor in the message.
    tensor: the tensor.
    expected: one entry per axis; a number must match, a word such as "B" stands for any size.
    """
    fits = tensor.ndim == len(expected) and all(
        isinstance(want, str) or size == want for want, size in zip(expected, tensor.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(want) for want in expected)
        raise InputError(f"{name}: expected shape [{wanted}], got {list(tensor.shape)}")
