"""`idnb export onnx`: the networks as ONNX files, for programs other than Python."""

from __future__ import annotations

import argparse
from pathlib import Path

from idnb.cli.outputs import add_overwrite, check_outputs
from idnb.core.errors import InputError
from idnb.core.messages import printable
from idnb.export.storage import STORAGE

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `idnb export`."""
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", title="formats", required=True)
    onnx = formats.add_parser("onnx", help="ONNX files, each compared with PyTorch", description=__doc__)
    add = onnx.add_argument
    add("--out", required=True, help="the folder to write: one file a network, and networks.json, which explains them")
    add("--weights", default="float16", choices=STORAGE, help="how weights are stored (default: float16)")
    add("--only", nargs="+", default=None, metavar="NAME", help="these networks only, such as synthesis refine_sketch")
    add_overwrite(onnx)


def run(args: argparse.Namespace) -> None:
    """Write the files, and say how far they are from PyTorch: each network, and whole faces where all is there."""
    from idnb.export.compare import picture_differences
    from idnb.export.networks import bundled_networks
    from idnb.export.onnx_files import export_networks, need_onnx
    from idnb.faces.synthetic import load_rendered

    folder = Path(args.out)
    if folder.is_file():
        raise InputError(f"--out {folder}: a file; give a folder")
    check_outputs([("the networks", [folder / "networks.json", *folder.glob("*.onnx")])], [], args.overwrite)
    need_onnx()
    networks, faces = bundled_networks(), load_rendered("test")
    export_networks(networks, faces, folder, lambda _name: args.weights, args.only)
    if args.only is None:
        rows = range(0, len(faces), max(1, len(faces) // 6))
        for kind, found in picture_differences(folder, networks, faces, rows).items():
            print(
                f"faces after all steps, {kind}: mean difference {found['mean']:.3f}, largest {found['largest']:.2f} "
                "(of 255)"
            )
    print(f"wrote {printable(folder / 'networks.json')}")
