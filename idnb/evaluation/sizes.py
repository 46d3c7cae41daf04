"""What the two presets cost: parameters, memory and time of the dual encoder and its generator, for `idnb doctor`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from idnb.core.errors import InputError

__all__ = ["PairCost", "describe_sizes", "measure_speed", "pair_cost"]

STEPS = 3  # of refinement


@dataclass(frozen=True)
class PairCost:
    """One face from one pair.

    encoder, generator: numbers of parameters. operations: floating-point operations of all refinement steps.
    """

    preset: str
    encoder: int
    generator: int
    operations: float

    @property
    def megabytes(self) -> float:
        """Memory of the weights of both networks, in MB."""
        return 4 * (self.encoder + self.generator) / 1e6


def pair_cost(preset: str) -> PairCost:
    """Count parameters and operations of a preset, for contours low_res, without computing or allocating anything."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from idnb.core.presets import get_preset
    from idnb.models.contour_encoder import Latents
    from idnb.models.encoder import IdentityGuidedEncoder
    from idnb.models.stylegan2 import Generator

    sizes = get_preset(preset)
    side = sizes.encoder_size
    with torch.device("meta"), torch.no_grad():
        encoder = IdentityGuidedEncoder("low_res", sizes).eval()
        generator = Generator.from_preset(sizes)
        picture = torch.empty(1, 3, side, side)
        contour = torch.empty(1, encoder.contour_channels, side, side)
        latents = Latents(torch.empty(1, sizes.n_styles, sizes.style_dim), torch.empty(1, *sizes.input_latent_shape))
        with FlopCounterMode(display=False) as once:
            identity = encoder.encode_identity(picture)
        with FlopCounterMode(display=False) as each:
            latents = encoder.refine(contour, identity, picture, latents)
            generator.synthesis(*latents)
    counts = [sum(p.numel() for p in network.parameters()) for network in (encoder, generator)]
    operations = once.get_total_flops() + STEPS * each.get_total_flops()
    return PairCost(preset, counts[0], counts[1], float(operations))


def measure_speed() -> float:
    """Seconds for one pair at preset `tiny` on this machine's CPU, with random weights: the fastest of three runs."""
    import torch

    from idnb.core.presets import TINY
    from idnb.models.encoder import IdentityGuidedEncoder
    from idnb.models.stylegan2 import Generator

    with torch.random.fork_rng(devices=[]):
        generator = Generator.from_preset(TINY).eval().requires_grad_(False)
        encoder = IdentityGuidedEncoder("low_res", TINY).eval().to(memory_format=torch.channels_last)
    x_c, x_id = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 128, 128)
    times = []
    for _ in range(4):  # the first does not count
        began = time.perf_counter()
        encoder.generate(generator, x_c, x_id, STEPS)
        times.append(time.perf_counter() - began)
    return min(times[1:])


def describe_sizes() -> Iterator[str]:
    """One line a preset; the time of `paper` is worked out from that of `tiny` and the numbers of operations."""
    from idnb.core.presets import PRESETS

    seconds, tiny = measure_speed(), pair_cost("tiny")
    for name in PRESETS:
        try:
            cost = pair_cost(name)
        except InputError:  # a preset of somebody's own, without an encoder
            continue
        took = seconds * cost.operations / tiny.operations
        said = f"{seconds:.2f} s measured" if name == "tiny" else f"at most about {took:.0f} s by count of operations"
        yield (
            f"{name}: encoder {cost.encoder / 1e6:.1f} M parameters, generator {cost.generator / 1e6:.1f} M, "
            f"{cost.megabytes:.0f} MB of weights; one pair in {STEPS} steps: {cost.operations / 1e9:.0f} GFLOP, "
            f"{said} on this CPU"
        )
