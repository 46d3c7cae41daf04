"""`idnb inspect generator`: sample sheets, parts, distances and inversions of a generator, in one folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from idnb.cli.arguments import BATCH, COUNT, OWN_STEPS, RATE, SEED, THREADS, Whole
from idnb.cli.export import a_file, add_export, recorded, sets
from idnb.core.errors import InputError
from idnb.core.files import whole_file, write_text
from idnb.core.messages import printable
from idnb.faces.labels import LABEL_NAMES, LABEL_TITLES
from idnb.faces.synthetic import Faces
from idnb.inversion.optimise import Inversion, InversionConfig
from idnb.models.stylegan2 import Generator

__all__ = ["add_arguments", "draw_reach", "run", "sheet"]

PARSED = 1000  # pictures, at most, of which the parts are measured
BAR = 24.0  # dB: what the bundled generator has to reach on average


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand for each kind of network that can be looked into."""
    kinds = parser.add_subparsers(dest="network", metavar="WHAT", title="networks", required=True)
    about = "sample sheets, parts that samples lack, Frechet distance beside its floor, W+ optimisation of unseen faces"
    generator = kinds.add_parser("generator", help=about, description=about)
    generator.add_argument("--preset", default="tiny", help="which generator: tiny or paper")
    generator.add_argument("--path", type=a_file, default=None, help="a generator file in place of the preset's own")
    generator.add_argument(
        "--data", type=sets, default="starter", help="rendered people it is compared with: a name or a folder"
    )
    generator.add_argument(
        "--images", type=Whole(2, COUNT.high), default=5000, help="most images on each side of a distance"
    )
    generator.add_argument(
        "--features", default="identity,inception", help="feature networks, commas between; missing ones are left out"
    )
    generator.add_argument("--test", type=sets, default="test", help="set of other people for the W+ optimisation")
    generator.add_argument("--faces", type=Whole(0, COUNT.high), default=50, help="how many of its faces, 0 for none")
    generator.add_argument("--steps", type=OWN_STEPS, default=InversionConfig.steps, help="of the W+ optimisation")
    generator.add_argument("--rate", type=RATE, default=InversionConfig.learning_rate, help="in deviations of w")
    generator.add_argument("--batch", type=BATCH, default=None, help="faces at once (default 10 at 128 px)")
    generator.add_argument("--seed", type=SEED, default=0, help="of samples, halves and faces (default 0)")
    generator.add_argument("--out", default="runs/inspect", help="folder for report.json and pictures")
    generator.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    generator.add_argument("--threads", type=THREADS, default=None, help="CPU threads")
    add_export(generator, "write the figures into the manifest of the package")


def run(args: argparse.Namespace) -> int:
    """Inspect the generator. Returns 1 when the mean PSNR is below the bar, else 0."""
    from idnb.evaluation.generator import distribution, faces_found, part_areas, samples
    from idnb.faces.synthetic import load_rendered
    from idnb.models.face_parser import load_face_parser
    from idnb.models.stylegan2_files import load_generator
    from idnb.plots.grids import plot_losses
    from idnb.plots.style import save_figure

    if args.export and (args.path or args.preset != "tiny"):
        raise InputError("--export: only the bundled generator has an entry; leave --path and --preset out")
    if args.threads:
        torch.set_num_threads(args.threads)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    generator = load_generator(args.preset, path=args.path, device=args.device)
    report: dict[str, Any] = {"generator": str(args.path or args.preset), "size": generator.size}

    found_in = {}
    for psi in (0.7, 1.0):
        images = samples(generator, 64, psi, args.seed)
        path = out / f"samples_{psi:g}.png"
        sheet(images, path)
        found_in[f"truncation {psi:g}"] = faces_found(images)
        share = found_in[f"truncation {psi:g}"]
        print(f"{printable(path)}: 64 samples at truncation {psi:g}; one face found in {share:.0%}")
    report["one_face_found"] = {**found_in, "images": 64}

    rendered = of_size(whole(load_rendered(args.data)), generator.size)
    parser = load_face_parser(device=args.device)
    parts = part_areas(generator, rendered, parser, min(args.images, PARSED), args.seed)
    print(
        f"{'area in percent, by the parser':<32}{'samples':>10}{'people':>10}   n = {parts['images_a_side']:,} a side"
    )
    for name, area in parts.items():
        if isinstance(area, dict):
            print(f"{LABEL_TITLES[LABEL_NAMES.index(name)]:<32}{area['value']:>10.2f}{area['real']:>10.2f}")
    report["parts"] = parts
    report["distribution"] = distribution(generator, rendered, feature_networks(args), args.images, args.seed)
    for name, value in report["distribution"].items():
        if isinstance(value, dict):
            print(f"{name:45} {value['value']:10.4f}   floor {value['floor']:10.4f}")
    print(f"  n = {report['distribution']['images_a_side']:,} a side, set {report['distribution']['set']}")

    passed = True
    if args.faces:
        found, targets, figures = invert_test_faces(args, generator)
        report["w_plus_optimisation"] = figures
        save_figure(draw_reach(found, targets), out / "reach.png")
        assert found.psnr is not None
        means = {"mean PSNR": found.psnr.mean(dim=1).cpu().numpy()}
        save_figure(plot_losses(means, "W+ optimisation", "step", "PSNR in dB"), out / "psnr.png")
        passed = figures["psnr_mean"] >= BAR
        low, high = figures["psnr_95"]
        print(
            f"W+ optimisation: {figures['psnr_mean']:.2f} dB on average ({low:.2f} to {high:.2f}), "
            f"n = {figures['faces']}, {figures['seconds_a_face']:.1f} s a face"
            + ("" if passed else f"; below the bar of {BAR:g} dB")
        )
    report["command"] = recorded(args).whole
    write_text(out / "report.json", json.dumps(report, indent=2) + "\n")
    print(f"wrote {printable(out / 'report.json')}")
    if args.export:
        export(report)
    return 0 if passed else 1


def whole(faces: Faces) -> Faces:
    """Those people of a set whose files are there."""
    from idnb.faces.synthetic import finished

    return finished(faces, print)


def of_size(faces: Faces, size: int) -> Faces:
    """A set, if its pictures are at least as large as the generator's; smaller ones would look blurred beside them."""
    if faces.image_size < size:
        raise InputError(f"{faces!r}: smaller than the generator's {size} px; render a set with --size {size}")
    return faces


def feature_networks(args: argparse.Namespace) -> list[Any]:
    """The feature networks that are there; a line about each that is not."""
    from idnb.evaluation.features import FEATURE_NETWORKS, feature_network

    networks = []
    for name in args.features.split(","):
        try:
            networks.append(feature_network(name, device=args.device))
        except InputError as error:
            if name not in FEATURE_NETWORKS:
                raise
            print(f"without {name} features: {error}")
    return networks


def invert_test_faces(args: argparse.Namespace, generator: Generator) -> tuple[Inversion, Tensor, dict[str, Any]]:
    """W+ optimisation of faces of the test set, one picture a person, drawn with the seed."""
    from idnb.evaluation.generator import reach
    from idnb.faces.synthetic import load_rendered
    from idnb.models.perceptual import load_face_feature_distance

    faces = of_size(whole(load_rendered(args.test)), generator.size)
    random = np.random.default_rng(args.seed)
    shuffled = random.permutation(len(faces))
    first = np.unique(faces.identity[shuffled], return_index=True)[1]
    rows = random.permutation(shuffled[first])[: args.faces]
    targets = faces.images(rows, generator.size).to(args.device)
    config = InversionConfig(steps=args.steps, learning_rate=args.rate, batch=args.batch)
    found, figures = reach(generator, targets, load_face_feature_distance(device=args.device), config)
    return found, targets, {"set": faces.folder.name, "seed": args.seed, **figures}


def sheet(images: Tensor, path: Path, columns: int = 8) -> None:
    """Write images [N, 3, H, H] as one PNG, `columns` side by side, pixel for pixel."""
    side, rows = images.shape[-1], -(-len(images) // columns)
    full = torch.cat([images, images.new_full((rows * columns - len(images), 3, side, side), 1.0)])
    grid = full.reshape(rows, columns, 3, side, side).permute(0, 3, 1, 4, 2)  # [R, H, C, H, 3]
    pixels = (grid.reshape(rows * side, columns * side, 3).clamp(-1, 1) + 1) * 127.5  # [R*H, C*H, 3]
    with whole_file(path) as file:
        Image.fromarray(pixels.round().byte().cpu().numpy()).save(file, format="PNG")


def draw_reach(found: Inversion, targets: Tensor, columns: int = 8) -> Any:
    """Targets above their inversions, from the worst PSNR to the best in even steps, with the number below each."""
    from idnb.plots.grids import show_grid

    assert found.psnr is not None
    order = found.psnr[-1].argsort()
    chosen = order[torch.linspace(0, len(order) - 1, min(columns, len(order))).round().long()].tolist()
    captions = [["" for _ in chosen], [f"{float(found.psnr[-1, i]):.1f} dB" for i in chosen]]
    return show_grid(
        [[targets[i] for i in chosen], [found.images[i].clamp(-1, 1) for i in chosen]],
        ("rendered", "W+ optimised"),
        title=f"W+ optimisation of {len(order)} unseen faces, from the worst to the best",
        captions=captions,
        alt="Rendered faces above the images that W+ optimisation found for them, from the worst to the best PSNR",
    )


def export(report: dict[str, Any]) -> None:
    """Put the report into the manifest, beside what training wrote there."""
    from idnb.core.weights import find_weight, write_entry
    from idnb.models.stylegan2_files import BUNDLED_NAMES

    entry = find_weight(BUNDLED_NAMES["tiny"])
    entry.figures["inspected"] = {key: value for key, value in report.items() if key != "generator"}
    write_entry(entry)
    print(f"the manifest's entry {entry.name} has these figures now")
