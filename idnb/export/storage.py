"""How the numbers of an ONNX file are stored: in 32, 16 or 8 bit. They are calculated with in 32 bit in any case.

A tensor of 16 bit is followed by a `Cast`, one of 8 bit by a `Cast` and a `Mul` with one factor an output channel. A
runtime folds them away while it loads, so a smaller file is as fast. The bundled weights have 16 bit already; most of
a file of 16 bit therefore holds the very same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError

__all__ = ["STORAGE", "store"]

STORAGE = ("float32", "float16", "int8")

SMALL = 256
"""Tensors with fewer numbers stay as they are."""

CHANNEL_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0, "MatMul": -1}
"""Where the output channels of a weight lie, for operators whose second input is a weight."""


def _axis(tensor: Any, users: list[Any]) -> int | None:
    """The axis of output channels of a weight, or None for a tensor that is to keep 16 bit."""
    axes = set()
    for node in users:
        if node.op_type == "Gather" and len(tensor.dims) == 5:
            axes.add(1)  # a modulated convolution takes the first of [1, out, in, 3, 3]
            continue
        axis = CHANNEL_AXIS.get(node.op_type)
        if axis is None or len(node.input) < 2 or node.input[1] != tensor.name:
            return None
        if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
            axis = 1
        axes.add(axis % len(tensor.dims))
    return axes.pop() if len(axes) == 1 and len(tensor.dims) > 1 else None


def _eight_bit(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers from -127 to 127, and the factor of each channel, broadcastable."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    factor = np.abs(values).max(axis=others, keepdims=True) / 127
    factor = np.where(factor > 0, factor, 1).astype(np.float32)
    return np.rint(values / factor).astype(np.int8), factor


def store(model: Any, storage: str) -> None:
    """Change how the weights of a model are stored, in place.

    model: an `onnx.ModelProto` in 32 bit. storage: one of `STORAGE`; with "int8" the weights of convolutions and
    linear layers get 8 bit, all other tensors 16.
    Raises InputError for another word.
    """
    from onnx import TensorProto, helper, numpy_helper

    if storage not in STORAGE:
        raise InputError(f"--weights {storage!r} is unknown; choose one of {', '.join(STORAGE)}")
    if storage == "float32":
        return
    graph = model.graph
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    kept, unpacking = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor) if tensor.data_type == TensorProto.FLOAT else None
        if values is None or values.size < SMALL or float(np.abs(values).max()) > np.finfo(np.float16).max:
            kept.append(tensor)
            continue
        name, packed = tensor.name, f"{tensor.name}.packed"
        axis = _axis(tensor, users.get(name, [])) if storage == "int8" else None
        if axis is None:
            kept.append(numpy_helper.from_array(values.astype(np.float16), packed))
            unpacking.append(helper.make_node("Cast", [packed], [name], to=TensorProto.FLOAT))
            continue
        whole, factor = _eight_bit(values, axis)
        kept += [numpy_helper.from_array(whole, packed), numpy_helper.from_array(factor, f"{name}.factor")]
        unpacking += [
            helper.make_node("Cast", [packed], [f"{name}.whole"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{name}.whole", f"{name}.factor"], [name]),
        ]
    nodes = [*unpacking, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
