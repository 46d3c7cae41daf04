"""Reading the public pSp, ReStyle and e4e checkpoints: encoder, generator and mean of w from one file.

A file is a dictionary: `state_dict` with entries named encoder.* and decoder.*, `latent_avg` (one row a layer), and
`opts`, a dictionary of plain values. Sizes are read off the shapes, so files of other generators load as well.

What the file was trained for decides how it is used. These networks have no identity image: they invert or translate
one picture. With kind "low_res" the contour may be that very picture (`contour_kind("low_res", size=256)`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from idnb.contours.kinds import CONTOURS
from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.core.tensor_files import check_numbers, flat_tensors
from idnb.core.weights import weight_path
from idnb.env import pick_device
from idnb.models.baselines.backbone import BackboneEncoder, BackboneSize
from idnb.models.baselines.psp import PSpEncoder
from idnb.models.baselines.restyle import ReStyleEncoder
from idnb.models.stylegan2 import Generator
from idnb.models.stylegan2_files import build_generator, difference, read_checkpoint

__all__ = ["PublicEncoder", "load_public_encoder"]

WANTED = "expected is a public pSp, ReStyle or e4e checkpoint, such as `idnb fetch psp_ffhq_encode` gets"
KNOWN = {"GradualStyleEncoder", "BackboneEncoder", "Encoder4Editing", "ProgressiveBackboneEncoder"}
MOST_HALVINGS = 11  # from the picture to a style: pictures of 2,048 pixels; the public files have 8
DELTAS = {"Encoder4Editing", "ProgressiveBackboneEncoder"}  # e4e, and ReStyle over e4e


class PublicEncoder(NamedTuple):
    """An encoder and the generator that came with it, both frozen and in eval mode."""

    encoder: BackboneEncoder
    generator: Generator


def load_public_encoder(path: str | Path | None = None, device: torch.device | str | None = None) -> PublicEncoder:
    """Read a public checkpoint.

    path: the file; None takes the one that `idnb fetch psp_ffhq_encode` brought. device: None is the CPU.
    Returns encoder and generator: `encoder.generate(generator, x_c, x_id)`, where `x_id` is looked at by none of them.
    Raises InputError that says what another file is.
    """
    path = weight_path("psp_ffhq_encode") if path is None else Path(path)
    content = read_checkpoint(path)
    state = content.get("state_dict")
    if not isinstance(state, Mapping):
        raise InputError(
            f"{path}: has no state_dict (it starts with {', '.join(map(str, list(content)[:4]))}); {WANTED}"
        )
    state = flat_tensors(path, state)
    parts = {
        name: {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
        for name in ("encoder.", "decoder.")
    }
    if not all(parts.values()):
        raise InputError(f"{path}: lacks encoder.* or decoder.* in its state_dict; {WANTED}")
    generator = build_generator(path, parts["decoder."], content.get("latent_avg"))
    options = content.get("opts")
    encoder = build_encoder(path, parts["encoder."], generator, options if isinstance(options, Mapping) else {})
    where = pick_device(device or "cpu")
    return PublicEncoder(
        encoder.requires_grad_(False).eval().to(where), generator.requires_grad_(False).eval().to(where)
    )


def build_encoder(
    path: Path, state: Mapping[str, Tensor], generator: Generator, options: Mapping[str, Any]
) -> BackboneEncoder:
    """The encoder of a checkpoint.

    path: for messages. state: its tensors. generator: of the same file. options: the file's `opts`.
    """
    named = str(options.get("encoder_type", ""))[:80]  # whatever it is
    if named not in ("", "None", *KNOWN):
        raise InputError(f"{path}: its encoder is a {named}, which is not one of {', '.join(sorted(KNOWN))}; {WANTED}")
    try:
        size, encoder_size = backbone_sizes(state)
        inputs = state["input_layer.0.weight"].shape[1]
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: its encoder has no IR-SE body ({error} is missing); {WANTED}") from error
    pyramid = "latlayer1.weight" in state
    kind = kind_of(path, inputs - (0 if pyramid else 3))
    preset = Preset(
        name="paper",
        image_size=generator.size,
        style_dim=generator.style_dim,
        mapping_depth=generator.style.depth,
        generator_channels=generator.channels,
        discriminator_channels=generator.channels,
        encoder_size=encoder_size,
        loss_size=encoder_size,
        low_res_size=max(4, encoder_size // 8),
    )
    common = {
        "uses_identity": False,
        "unit_contour": CONTOURS[kind].channels == 1,
        "deltas": named in DELTAS,
        "size": size,
    }
    with torch.device("meta"):  # shapes only; the numbers come from the file
        make: type[Any] = PSpEncoder if pyramid else ReStyleEncoder
        encoder: BackboneEncoder = make(kind, preset, **common)
    counters = {key: torch.tensor(0) for key in encoder.state_dict() if key.endswith("num_batches_tracked")}
    filled = {
        **counters,
        **{key: value.float() if value.is_floating_point() else value for key, value in state.items()},
    }
    expected = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in filled.items()}
    if found != expected:
        raise InputError(f"{path}: its encoder {difference(expected, found)}; {WANTED}")
    check_numbers(path, filled, encoder.state_dict())
    encoder.load_state_dict(filled, assign=True)
    return encoder


def backbone_sizes(state: Mapping[str, Tensor]) -> tuple[BackboneSize, int]:
    """Sizes of the body, and the side of the input in pixels, from the shapes of an encoder's tensors."""
    units = 1 + max(int(found[1]) for key in state if (found := re.match(r"body\.(\d+)\.", key)))
    widths = [state[f"body.{unit}.res_layer.1.weight"].shape[0] for unit in range(units)]
    stages: list[tuple[int, int]] = []
    for width in widths:
        if stages and stages[-1][0] == width:
            stages[-1] = (width, stages[-1][1] + 1)
        else:
            stages.append((width, 1))
    halvings = sum(bool(re.fullmatch(r"styles\.0\.convs\.\d+\.weight", key)) for key in state)
    hidden = state["styles.0.convs.0.weight"].shape[0]
    size = BackboneSize(state["input_layer.0.weight"].shape[0], tuple(stages), hidden)
    if min(size.stem, hidden, *widths) < 1 or halvings + len(stages) > MOST_HALVINGS:
        raise ValueError("a number of channels or maps that makes sense")
    return size, 2 ** (halvings + len(stages))


def kind_of(path: Path, channels: int) -> str:
    """The kind of contour that has so many channels."""
    for name, contour in CONTOURS.items():
        if contour.channels == channels:
            return name
    raise InputError(f"{path}: its encoder reads {channels} channels, which fits none of: {', '.join(CONTOURS)}")
