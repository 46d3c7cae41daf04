"""ONNX files of the networks, each compared with PyTorch before it counts.

The exporter is PyTorch's own (`torch.onnx.export` with `dynamo=True`). The first axis of every input is free, so any
batch fits; the other axes are those of the preset. `networks.json`, beside the files, says what is in them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from idnb.core.errors import InputError
from idnb.core.files import write_bytes, write_text
from idnb.export.networks import Networks, Portable, portable
from idnb.export.storage import store

__all__ = ["OPSET", "export_networks", "export_one", "largest_difference", "need_onnx", "open_network"]

OPSET = 18
"""The ONNX operator set of all files."""

TRACED, CHECKED = 2, (1, 3)
"""Rows in the batch that is followed through a network, and in those that are compared afterwards."""


def need_onnx() -> None:
    """Raise InputError, with the remedy, unless onnx, onnxruntime and onnxscript are installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"Exporting needs onnx, onnxruntime and onnxscript ({error.name} is missing): pip install 'idnb[export]'"
        ) from error


def open_network(path: Path) -> Any:
    """An onnxruntime session of a file, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def export_one(network: Portable, path: Path, storage: str) -> None:
    """Write one network as an ONNX file. storage: see `idnb.export.storage`."""
    batch = torch.export.Dim("batch")
    inputs = network.first(TRACED)
    axes = tuple(None if name in network.unbatched else {0: batch} for name in inputs)
    # `refine` takes any number of identity tensors, which the exporter sees as one argument.
    named = 4 if network.name.startswith("refine_") else len(axes)
    shapes = (*axes[:named], axes[named:]) if named < len(axes) else axes
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        # Under no_grad a batch of one takes a road of its own through the generator; what is followed must fit all.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.enable_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network.module.eval(),
                tuple(x.clone() for x in inputs.values()),
                dynamo=True,
                input_names=list(inputs),
                output_names=list(network.outputs),
                dynamic_shapes=shapes,
                opset_version=OPSET,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)
    assert program is not None
    model = program.model_proto
    del model.metadata_props[:]
    for node in model.graph.node:  # where in the sources a node comes from: a third of a small file
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    store(model, storage)
    model.producer_name, model.doc_string = "idnb", network.about
    write_bytes(path, model.SerializeToString())


def largest_difference(network: Portable, session: Any, rows: int) -> float:
    """The largest difference between a file and PyTorch over all outputs, for a batch of so many rows."""
    inputs = {name: np.ascontiguousarray(x.numpy()) for name, x in network.first(rows).items()}
    answers = session.run(list(network.outputs), inputs)
    pairs = zip(network.expected(rows), answers, strict=True)
    return max(float(np.abs(ours.numpy().astype(np.float64) - theirs).max()) for ours, theirs in pairs)


def export_networks(
    networks: Networks,
    faces: Any,
    folder: Path,
    storage: Callable[[str], str],
    only: Sequence[str] | None = None,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Write all networks and `networks.json` into a folder, and compare each with PyTorch.

    faces: a set of people; some of its pictures are the inputs that are compared. storage: name of a network -> how its
    weights are stored. only: names of networks; None is all. report: gets one line a network.
    Returns what `networks.json` says. Raises InputError when a package is missing, or a name unknown.
    """
    need_onnx()
    rows = np.linspace(0, len(faces) - 1, max(*CHECKED, TRACED)).astype(int)
    found = portable(networks, faces, rows.tolist())
    unknown = set(only or ()) - {network.name for network in found}
    if unknown:
        raise InputError(
            f"no network is called {', '.join(sorted(unknown))}; there are: {', '.join(n.name for n in found)}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for network in found:
        if only is not None and network.name not in only:
            continue
        path, kind = folder / f"{network.name}.onnx", storage(network.name)
        export_one(network, path, kind)
        session = open_network(path)
        difference = max(largest_difference(network, session, rows) for rows in CHECKED)
        content = path.read_bytes()
        files[network.name] = {
            "file": path.name,
            "about": network.about,
            "weights": kind,
            "inputs": {x.name: x.shape for x in session.get_inputs()},
            "outputs": {x.name: x.shape for x in session.get_outputs()},
            "largest_difference": float(f"{difference:.2g}"),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        report(f"{path.name:28} {len(content) / 1e6:6.2f} MB  {kind:8} largest difference {difference:.2g}")
    generator = networks.generator
    description = {
        "opset": OPSET,
        "image_size": generator.size,
        "style_dim": generator.style_dim,
        "n_styles": generator.n_styles,
        "input_channels": generator.channels[0],
        "encoders": {
            kind: {
                "steps": encoder.steps,
                "encoder_size": encoder.preset.encoder_size,
                "low_res_size": encoder.preset.low_res_size,
                "channels": encoder.contour_channels,
                "input_latent": encoder.has_input_latent,
            }
            for kind, encoder in networks.encoders.items()
        },
        "parser_size": networks.parser.size,
        "networks": files,
    }
    write_text(folder / "networks.json", json.dumps(description, indent=1) + "\n")
    return description
