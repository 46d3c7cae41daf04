"""Every reader of files in the package, each with a small folder of valid files and a call that reads them."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import torch

from idnb.core.presets import TINY
from idnb.models.baselines.backbone import BackboneSize
from tools.fuzz_pictures import PICTURES, Target
from tools.fuzz_state import STATE

__all__ = ["TARGETS", "Target"]


def make_cache(folder: Path) -> None:
    """The packed pairs of two people, in a cache."""
    read_cache(folder)


def read_cache(folder: Path) -> str | None:
    """Pairs through the cache are those without it."""
    from idnb.faces.sources import load_faces
    from idnb.training.pair_data import read_pair_data

    os.environ["IDNB_CACHE"] = str(folder)
    faces = load_faces("test").select([0, 1])
    found = read_pair_data([faces], "low_res", TINY, report=lambda text: None)
    right = read_pair_data([faces], "low_res", TINY, cache=False, report=lambda text: None)
    same = torch.equal(found.photos, right.photos) and torch.equal(found.contours, right.contours)  # type: ignore[arg-type]
    return None if same else "pairs that are not those of the set"


def weights(suffix: str) -> Target:
    """The weights of a small network, in one of three kinds of files."""
    from idnb.core.tensor_files import write_tensors
    from idnb.models.face_parser import FaceParser, load_face_parser

    def make(folder: Path) -> None:
        state = FaceParser(64).state_dict()
        if suffix == "safetensors":
            write_tensors(folder / "a.safetensors", state, {"name": "parser"})
        else:
            torch.save(state, folder / f"a.{suffix}", _use_new_zipfile_serialization=suffix == "pt")

    def read(folder: Path) -> str | None:
        state = load_face_parser(folder / f"a.{suffix}").state_dict()
        return None if all(bool(value.isfinite().all()) for value in state.values()) else "weights that are no numbers"

    return Target(make, read, 6)


def make_generator(folder: Path) -> None:
    """A small generator as a public file has it."""
    from idnb.models.stylegan2 import Generator

    state = Generator(16, 8, 2, (8, 8, 8)).state_dict()
    torch.save({"g_ema": state, "latent_avg": torch.zeros(8)}, folder / "a.pt")


def read_generator_file(folder: Path) -> str | None:
    """The generator, with numbers only."""
    from idnb.models.stylegan2_files import read_generator

    state = read_generator(folder / "a.pt", samples=50).state_dict()
    return None if all(bool(value.isfinite().all()) for value in state.values()) else "weights that are no numbers"


PUBLIC = BackboneSize(4, ((4, 1), (8, 1), (12, 1), (16, 1)), 8)
OF_PUBLIC = dataclasses.replace(TINY, name="paper", image_size=16, style_dim=8, mapping_depth=2, encoder_size=64)


def make_public(folder: Path) -> None:
    """A small pSp checkpoint as the public ones are: encoder and generator, mean of w, options."""
    from idnb.models.baselines.psp import PSpEncoder
    from idnb.models.stylegan2 import Generator

    preset = dataclasses.replace(OF_PUBLIC, generator_channels=(8, 8, 8))
    encoder = PSpEncoder("low_res", preset, uses_identity=False, size=PUBLIC)
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    state |= {f"decoder.{name}": value for name, value in Generator(16, 8, 2, (8, 8, 8)).state_dict().items()}
    options = {"encoder_type": "GradualStyleEncoder", "output_size": 16, "input_nc": 3}
    torch.save({"state_dict": state, "latent_avg": torch.zeros(6, 8), "opts": options}, folder / "a.pt")


def read_public(folder: Path) -> str | None:
    """Encoder and generator, with numbers only."""
    from idnb.core.tensor_files import find_fault
    from idnb.models.baselines.public import load_public_encoder

    found = load_public_encoder(folder / "a.pt")
    return find_fault({**found.encoder.state_dict(), **found.generator.state_dict()})


def make_identity(folder: Path) -> None:
    """The bundled identity network."""
    from idnb.core.weights import weight_path

    shutil.copy(weight_path("arcface_tiny"), folder / "a.safetensors")


def read_identity(folder: Path) -> str | None:
    """It, with numbers only."""
    from idnb.core.tensor_files import find_fault
    from idnb.models.identity_files import load_identity_network

    return find_fault(load_identity_network(path=folder / "a.safetensors").state_dict())


def make_encoder(folder: Path) -> None:
    """The checkpoint of an encoder, without what only its training needs."""
    from idnb.models.encoder import IdentityGuidedEncoder

    encoder = IdentityGuidedEncoder("low_res", TINY)
    description = {"encoder": "IdentityGuidedEncoder", "kind": "low_res", "preset": "tiny", "options": {}}
    torch.save({"weights": encoder.state_dict(), "description": description}, folder / "checkpoint.pt")


def read_encoder(folder: Path) -> str | None:
    """The encoder, ready for use."""
    from idnb.models.encoder_files import load_encoder

    load_encoder(path=folder / "checkpoint.pt")
    return None


def train_parser(folder: Path) -> str | None:
    """A training of one step, or the taking up of its checkpoint."""
    from idnb.models.face_parser import FaceParser
    from idnb.pretraining.data import IdentityData
    from idnb.pretraining.measuring import MeasuringConfig, MeasuringTraining
    from idnb.training.loop import run_training

    labels = torch.zeros(4, 64, 64, dtype=torch.uint8)
    data = IdentityData(torch.zeros(4, 3, 64, 64, dtype=torch.uint8), labels, torch.arange(4))
    training = MeasuringTraining(FaceParser(), data, labels, MeasuringConfig(steps=1, batch=4))
    run_training(training, folder, report=lambda text: None)
    return None


def make_results(folder: Path) -> None:
    """Three stored results."""
    from idnb.evaluation.store import RESULTS

    for path in sorted(RESULTS.glob("table1/*_seed0.json")):
        shutil.copy(path, folder)


def read_stored(folder: Path) -> str | None:
    """Results, their table and two figures."""
    import matplotlib.pyplot as plt

    from idnb.experiments.figures import judges_figure, variants_figure
    from idnb.experiments.stored import read_results
    from idnb.experiments.tables import method_table

    results = read_results(folder)
    method_table(results)
    for figure in (variants_figure(results), judges_figure(results)):
        plt.close(figure)
    return None


TARGETS: dict[str, Target] = {
    **PICTURES,
    "cache": Target(make_cache, read_cache, 2),
    "safetensors": weights("safetensors"),
    "pt": weights("pt"),
    "pth": weights("pth"),
    "generator": Target(make_generator, read_generator_file, 6),
    "public": Target(make_public, read_public, 6),
    "identity": Target(make_identity, read_identity, 1),
    "encoder": Target(make_encoder, read_encoder, 2),
    "parser_run": Target(train_parser, train_parser, 4),
    "results": Target(make_results, read_stored, 4),
    **STATE,
}
"""Name -> what is read."""
