"""Files in exactly the public formats with random numbers in them: StyleGAN2 as rosinality writes it, IR-SE50."""

from pathlib import Path

import torch
from torch import Tensor

from idnb.core.presets import PAPER
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.models.stylegan2 import Generator

KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16  # sums to 4, as in the files


def write_stylegan2(path: Path, size: int = 1024, style_dim: int = 512, depth: int = 8, channels=None) -> Path:
    """`{"g_ema": ..., "latent_avg": [style_dim]}` with the blur and upsampling kernels that the public files hold."""
    torch.manual_seed(0)
    channels = PAPER.generator_channels[: size.bit_length() - 2] if channels is None else channels
    generator = Generator(size, style_dim, depth, channels)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.normal_(parameter, 0.0, 0.1)
    state: dict[str, Tensor] = {key: value for key, value in generator.state_dict().items() if key != "w_avg"}
    for m in range(len(channels) - 1):
        state[f"convs.{2 * m}.conv.blur.kernel"] = KERNEL.clone()
        state[f"to_rgbs.{m}.upsample.kernel"] = KERNEL.clone()
    torch.save({"g_ema": state, "latent_avg": 0.1 * torch.randn(style_dim)}, path)
    return path


def write_ir_se50(path: Path) -> Path:
    """A flat state dict without BatchNorm's batch counters."""
    torch.manual_seed(1)
    network = IdentityNetwork(IDENTITY_SIZES["paper"])
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, path)
    return path
