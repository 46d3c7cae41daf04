"""What a training step will cost, before it is run: bytes kept for the backward pass, operations, seconds.

The step is run once on tensors without memory (PyTorch's device "meta"): every shape and type is real, no number is
ever computed. Whatever autograd wants to keep is added up, so the count follows the code and not a formula. It
holds for one sample and grows in proportion to the batch. What comes and goes beside it was measured, `TRANSIENT`.
What it cannot know: scratch space of convolution libraries and the CUDA context; `RESERVE` stands for those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from idnb.contours.kinds import contour_kind
from idnb.core.presets import get_preset
from idnb.core.resize import resize
from idnb.models.contour_encoder import Latents
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.models.lpips_distance import untrained_lpips
from idnb.models.stylegan2 import Generator
from idnb.training.losses import EncoderLoss

__all__ = ["RESERVE", "TRANSIENT", "StepCost", "count_kept", "step_cost"]

RESERVE = 1.0e9
"""Bytes put aside on a GPU for its context and for scratch space."""

TRANSIENT = 1.2
"""What a sample takes at the peak, over what is kept: gradients on their way come and go. Measured with
benchmarks/paper.py: 1.18 as it is, 1.23 with a checkpointed generator."""


@dataclass(frozen=True)
class StepCost:
    """The cost of one refinement step of training, for one sample.

    trained, frozen: parameters and buffers, in numbers. kept: bytes that the backward pass needs, by part of the step.
    again: bytes that come up for a moment when the largest checkpointed block is computed again. operations: floating
    point operations of one step, forward and backward.
    """

    preset: str
    kind: str
    dtype: torch.dtype
    checkpoint: bool
    trained: int
    frozen: int
    kept: dict[str, int]
    again: int
    operations: float

    @property
    def fixed(self) -> int:
        """Bytes whatever the batch: weights, their gradients, both moments of Adam, frozen networks; copies in half."""
        halves = 0 if self.dtype == torch.float32 else 2 * (self.trained + self.frozen)
        return 16 * self.trained + 4 * self.frozen + halves

    @property
    def per_sample(self) -> int:
        """Bytes that each sample of a batch adds at the peak."""
        return round(TRANSIENT * (sum(self.kept.values()) + self.again))

    def memory(self, batch: int) -> float:
        """Bytes for a batch, without `RESERVE`."""
        return self.fixed + batch * self.per_sample

    def largest_batch(self, memory: float) -> int:
        """The largest batch for so many bytes of GPU memory; 0 where not even one sample fits."""
        return max(0, int((memory - RESERVE - self.fixed) // self.per_sample))


class KeptBytes:
    """Adds up the storages that autograd keeps, each once, and leaves out those of parameters."""

    def __init__(self, modules: list[nn.Module]) -> None:
        self.own = {t.untyped_storage()._cdata for m in modules for t in (*m.parameters(), *m.buffers())}
        self.seen: dict[int, Tensor] = {}

    def add(self, tensor: Tensor) -> Tensor:
        """Count a tensor and hand it back."""
        key = tensor.untyped_storage()._cdata
        if key not in self.own:
            self.seen.setdefault(key, tensor)
        return tensor

    @property
    def total(self) -> int:
        """Bytes so far."""
        return sum(tensor.untyped_storage().nbytes() for tensor in self.seen.values())


@contextmanager
def count_kept(*modules: nn.Module) -> Iterator[KeptBytes]:
    """Count what autograd keeps for the backward pass of everything computed inside the `with` block.

    modules: their parameters and buffers are there anyway and do not count. Gives an object whose `.total` is in bytes.
    """
    kept = KeptBytes(list(modules))
    with torch.autograd.graph.saved_tensors_hooks(kept.add, lambda tensor: tensor):
        yield kept


@lru_cache(maxsize=16)
def step_cost(
    preset: str = "paper", kind: str = "low_res", checkpoint: bool = False, dtype: torch.dtype = torch.float32
) -> StepCost:
    """Cost of one refinement step of the dual encoder with all its losses; takes seconds and no memory to speak of.

    preset: "tiny" or "paper". kind: of contour. checkpoint: compute the generator's blocks again in the backward pass.
    dtype: float32, or bfloat16 for mixed precision (float16 takes the same memory).
    """
    from torch.utils.flop_counter import FlopCounterMode

    sizes = get_preset(preset)
    with torch.device("meta"):
        encoder = IdentityGuidedEncoder(kind, sizes).train()
        generator = Generator.from_preset(sizes).eval().requires_grad_(False)
        loss = EncoderLoss(IdentityNetwork(IDENTITY_SIZES[preset]), untrained_lpips("vgg")).to("meta")
        trained = sum(p.numel() for p in encoder.parameters())
        frozen = sum(t.numel() for m in (generator, loss) for t in (*m.parameters(), *m.buffers()))
        # Mixed precision computes with copies of the weights in half precision; here the weights are replaced by them.
        encoder.to(dtype)
        loss.to(dtype)
        generator.compute_dtype = dtype
        side = sizes.encoder_size
        contour = torch.empty(1, contour_kind(kind).channels, side, side, dtype=dtype)
        small = torch.empty(1, 3, side, side, dtype=dtype)
        photo = torch.empty(1, 3, sizes.loss_size, sizes.loss_size, dtype=dtype)
        w_plus = torch.empty(1, sizes.n_styles, sizes.style_dim)
        before = Latents(w_plus, torch.empty(1, *sizes.input_latent_shape))
        kept: dict[str, int] = {}
        with FlopCounterMode(display=False) as flops, count_kept(encoder, generator, loss) as counter:
            identity = encoder.encode_identity(small)
            kept["identity encoder, equation 1"] = counter.total
            latents = encoder.refine(contour, identity, small, before)
            kept["main encoder"] = counter.total - sum(kept.values())
            image = generator.synthesis(*latents)
            kept["generator"] = counter.total - sum(kept.values())
            output = resize(image, sizes.loss_size).to(dtype)
            terms = loss(output, loss.targets(photo, photo), latents.w_plus, generator.w_avg)
            kept["losses"] = counter.total - sum(kept.values())
            operations = flops.get_total_flops()
            if checkpoint:
                kept["generator"], again = _block_inputs(generator, dtype), _largest_block(generator, dtype)
        with FlopCounterMode(display=False) as flops:
            terms["total"].backward()
        again_operations = 0
        if checkpoint:
            with FlopCounterMode(display=False) as more, torch.no_grad():
                generator.synthesis(latents.w_plus.detach(), before.input_latent)
            again_operations = more.get_total_flops()
        return StepCost(
            preset=preset,
            kind=kind,
            dtype=dtype,
            checkpoint=checkpoint,
            trained=trained,
            frozen=frozen,
            kept=kept,
            again=again if checkpoint else 0,
            operations=float(operations + flops.get_total_flops() + again_operations),
        )


def _block_inputs(generator: Generator, dtype: torch.dtype) -> int:
    """Bytes of features and images that checkpointed blocks start from, for one sample."""
    sides = [4 * 2**m for m in range(len(generator.to_rgbs))]
    return sum(
        side * side * (channels * dtype.itemsize + 12)
        for side, channels in zip(sides, generator.channels[:-1], strict=True)
    )


def _largest_block(generator: Generator, dtype: torch.dtype) -> int:
    """Bytes that the most expensive block keeps while its backward pass runs, for one sample."""
    largest = 0
    w_plus = torch.empty(1, generator.n_styles, generator.style_dim, requires_grad=True)
    for m in range(len(generator.to_rgbs)):
        side = 4 * 2**m
        x = torch.empty(1, generator.channels[m], side, side, dtype=dtype).requires_grad_()
        rgb = torch.empty(1, 3, side, side).requires_grad_()
        with count_kept(generator) as counter:
            generator.block(m, x, rgb, w_plus, generator.fixed_noise())
        largest = max(largest, counter.total)
    return largest
