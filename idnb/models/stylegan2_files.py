"""Reading generators: the public StyleGAN2 files, our own, and a plain word about any file that is neither.

The public 1024 px checkpoint circulates in two forms, with and without the training networks; copies lack the blur
kernels or the mean of w. All of them load: sizes are read off the shapes, kernels are built here and not read, a
missing mean is computed. Only tensors are ever read; a file that holds Python objects is refused, for loading it runs
its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from idnb.core.errors import InputError
from idnb.core.presets import get_preset
from idnb.core.tensor_files import check_numbers, flat_tensors, read_content, without_wrapper
from idnb.core.weights import weight_path
from idnb.env import fast_bf16, pick_device
from idnb.models.stylegan2 import Generator

__all__ = [
    "BUNDLED_NAMES",
    "build_generator",
    "generator_sizes",
    "load_generator",
    "read_checkpoint",
    "read_generator",
]

# Preset -> name of its weights in the manifest.
BUNDLED_NAMES = {"tiny": "generator_tiny", "paper": "stylegan2_ffhq_1024"}

WANTED = "expected is a StyleGAN2 generator: stylegan2-ffhq-config-f.pt (`idnb fetch stylegan2_ffhq_1024`) or our own"

MOST_BLOCKS = 10  # pictures of 4,096 pixels

# A key that gives a file of another network away -> what the file is, and what to do with it.
FOREIGN = {
    "input_layer.0.weight": "an IR-SE identity network (model_ir_se50.pth); give it to idnb.load_identity_network",
    "state_dict": "an encoder checkpoint of the pSp, e4e or ReStyle family; read it with "
    "idnb.models.baselines.public.load_public_encoder",
    "last_linear.weight": "FaceNet's InceptionResnetV1, an identity network",
    "features.0.weight": "an image classifier such as AlexNet or VGG (a backbone of LPIPS)",
    "Conv2d_1a_3x3.conv.weight": "an Inception network (of the FID)",
    "G_ema": "a training state of a StyleGAN2-ADA fork",
}


def load_generator(
    preset: str = "tiny",
    path: str | Path | None = None,
    device: str | None = None,
    dtype: torch.dtype | None = None,
) -> Generator:
    """Load a generator, frozen and in eval mode.

    preset: "tiny" (bundled) or "paper" (the public checkpoint, brought by `idnb fetch stylegan2_ffhq_1024`).
    path: a file to read instead: a public checkpoint of any size, an export of ours, or the checkpoint of a training
        run of ours. Sizes are then read off the file.
    device: "cpu", "cuda", ...; None takes the CPU.
    dtype: of the feature maps. None takes bfloat16 for images of 256 px and more on a CPU with bf16 units and float32
        elsewhere; torch.float32 is exact everywhere.
    Returns the generator. Raises InputError that says what a wrong file is and what to do about it.
    """
    get_preset(preset)
    generator = read_generator(weight_path(BUNDLED_NAMES[preset]) if path is None else path)
    target = pick_device(device or "cpu")
    if dtype is None:
        fast = generator.size >= 256 and target.type == "cpu" and fast_bf16(target)
        dtype = torch.bfloat16 if fast else torch.float32
    generator.compute_dtype = dtype
    return generator.to(target).eval().requires_grad_(False)


def read_generator(path: str | Path, samples: int = 100_000) -> Generator:
    """Build the generator that a file holds, on the CPU, in float32.

    path: see `load_generator`. samples: number of random z for the mean of w where the file has none.
    Returns the generator. Raises InputError for every file that is not one, saying what it is.
    """
    path = Path(path)
    state, w_avg = find_generator(path, read_checkpoint(path))
    return build_generator(path, state, w_avg, samples)


def build_generator(path: Path, state: Mapping[str, Tensor], w_avg: Tensor | None, samples: int = 100_000) -> Generator:
    """A generator from its tensors, sized by their shapes.

    path: for messages. state: its tensors, blur kernels or not. w_avg: the mean of w, [style_dim] or one row a layer,
    where it is not part of `state`; None computes it from `samples` random z.
    Returns the generator. Raises InputError that says which tensors are missing, unknown or of another shape.
    """
    # The blur kernels are the same in every file and built into the layers; whether they are there does not matter.
    state = {key: value for key, value in state.items() if not key.endswith(".kernel")}
    sizes = generator_sizes(path, state)
    with torch.device("meta"):  # shapes only; the numbers come from the file
        generator = Generator(**sizes)
    expected = {key: tuple(value.shape) for key, value in generator.state_dict().items() if key != "w_avg"}
    found = {key: tuple(value.shape) for key, value in state.items() if key != "w_avg"}
    if found != expected:
        raise InputError(f"{path}: {difference(expected, found)}; {WANTED}")
    w_avg = state.get("w_avg", w_avg)
    check_numbers(path, state if w_avg is None else {**state, "w_avg": w_avg}, generator.state_dict())
    state = {key: value.float() for key, value in state.items()}
    filled = {**state, "w_avg": torch.zeros(generator.style_dim) if w_avg is None else mean_row(path, w_avg, sizes)}
    generator.load_state_dict(filled, assign=True)
    if w_avg is None:
        generator.estimate_w_avg(samples, seed=0, progress=True)
    return generator


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """The dictionary that a .safetensors or PyTorch file holds. Raises InputError that says why it cannot be read."""
    content = read_content(path)
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a dictionary of tensors; {WANTED}")
    return content


def find_generator(path: Path, content: Mapping[str, Any]) -> tuple[dict[str, Tensor], Tensor | None]:
    """The generator's tensors inside a checkpoint, and the mean of w stored beside them.

    path: for messages. content: as from `read_checkpoint`.
    Raises InputError that says what the file is when it holds no generator.
    """
    for key in ("g_ema", "ema", "g"):  # a public file, a training run of ours, a training run of others
        part = content.get(key)
        if isinstance(part, Mapping) and "input.input" in (part := without_wrapper(part)):
            return flat_tensors(path, part), content.get("latent_avg")
    content = without_wrapper(content)
    if "input.input" in content:  # ours, or the bare parameters
        own = {key: value for key, value in content.items() if key != "latent_avg"}
        return flat_tensors(path, own), content.get("latent_avg")
    for key, what in FOREIGN.items():
        if key in content:
            raise InputError(f"{path}: {what}; {WANTED}")
    names = ", ".join(str(key) for key in list(content)[:4])
    raise InputError(f"{path}: no StyleGAN2 generator in it (it starts with the entries {names}); {WANTED}")


def generator_sizes(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the arguments of `Generator` off the shapes of its tensors.

    path: for messages. state: the generator's tensors.
    Returns size, style_dim, mapping_depth, channels. Raises InputError when a tensor that tells them is missing.
    """
    try:
        blocks = sum(key.startswith("to_rgbs.") and key.endswith(".conv.weight") for key in state)
        channels = [state["input.input"].shape[1]]
        channels += [state[f"convs.{2 * block}.conv.weight"].shape[1] for block in range(blocks)]
        depth = sum(key.startswith("style.") and key.endswith(".weight") for key in state)
        style_dim = state["style.1.weight"].shape[1]
    except (KeyError, IndexError) as error:
        raise InputError(f"{path}: a generator whose tensor {error} is missing; {WANTED}") from error
    if not 1 <= blocks <= MOST_BLOCKS or min(*channels, style_dim) < 1:
        raise InputError(f"{path}: a generator of {blocks} blocks with {channels} channels is none; {WANTED}")
    return {"size": 4 * 2**blocks, "style_dim": style_dim, "mapping_depth": depth, "channels": tuple(channels)}


def mean_row(path: Path, w_avg: Tensor, sizes: Mapping[str, Any]) -> Tensor:
    """The mean of w as one row; encoder projects store it once per layer."""
    if not isinstance(w_avg, Tensor) or not 1 <= w_avg.ndim <= 2 or len(w_avg) == 0:
        raise InputError(f"{path}: latent_avg is not the mean of w; {WANTED}")
    row = (w_avg[0] if w_avg.ndim == 2 else w_avg).float()
    if row.shape != (sizes["style_dim"],):
        raise InputError(f"{path}: latent_avg has shape {list(w_avg.shape)}, not [{sizes['style_dim']}]; {WANTED}")
    return row


def difference(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> str:
    """In one line, how the tensors of a file differ from those of a generator of its size."""
    missing = [key for key in expected if key not in found]
    extra = [key for key in found if key not in expected]
    shared = [key for key in expected if key in found]
    wrong = [f"{key} {list(found[key])} for {list(expected[key])}" for key in shared if found[key] != expected[key]]
    parts = [("lacks", missing), ("has unknown", extra), ("has the wrong shape of", wrong)]
    return " and ".join(f"{verb} {len(keys)} tensors ({', '.join(keys[:3])})" for verb, keys in parts if keys)
