"""Clean line art from a face: dark lines on white paper, from the picture alone or with the help of its label map.

From the picture: twelve line detectors, one for each direction, of which the strongest wins. Each is a difference of
Gaussians across the line and a longer Gaussian along it, so that lines run on instead of breaking into dots. They look
at the logarithm of the light, at ratios, so that dark and light skin get the same lines. A soft threshold turns the
answer into ink. After Kang, Lee, Chui, "Coherent line drawing" (2007) and Winnemoeller, Kyprianidis, Olsen, "XDoG"
(2012), with a bank of straight filters in place of their flow field.

With a label map: outlines where two large parts meet, their stairs and loose strands smoothed away, the lips and the
brows; between them the lines of the picture inside face and hair. Background and clothes stay empty.

Widths are fractions of the picture's side. Lines are drawn at twice the size and averaged down, in pictures of up to
256 pixels; larger ones are drawn at 512 and enlarged. There is no randomness.
"""

import math

import torch
import torch.nn.functional as F

from idnb.core.resize import gaussian_blur
from idnb.faces.labels import LABEL_NAMES

__all__ = ["draw_from_image", "draw_from_labels"]

LINE_SIGMA = 0.0042
"""Standard deviation of the Gaussian across a line, as a fraction of the side; at least 0.4 pixels."""

THRESHOLD = 0.03
"""Where ink begins: the line is about 3 % darker than its surroundings after blurring; full ink at twice that."""

OUTLINE_WIDTH = 0.0075
"""Width of outlines, as a fraction of the side; at least one pixel."""

N_DIRECTIONS = 12
LARGEST = 512

# Which classes count as one surface when outlines are drawn, and which get lines of their own inside it.
_SURFACES: tuple[tuple[str, ...], ...] = (
    ("background",), ("hair",), ("hat",), ("cloth",), ("neck", "neck_l"), ("l_ear", "ear_r"), ("r_ear",),
    ("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "mouth", "u_lip", "l_lip"),
)  # fmt: skip
_MOUTH: tuple[tuple[str, ...], ...] = ((), ("mouth",), ("u_lip",), ("l_lip",))


def draw_from_image(images: torch.Tensor) -> torch.Tensor:
    """Line art from pictures alone.

    images: [B, 3, H, W] float in [-1, 1].
    Returns [B, 1, H, W] float in [0, 1]: 1 is paper, 0 is ink.
    """
    return _to_paper(_ink_from_image(images), images)


def draw_from_labels(images: torch.Tensor, label_maps: torch.Tensor) -> torch.Tensor:
    """Line art from pictures and their label maps.

    images: [B, 3, H, W] float in [-1, 1].
    label_maps: [B, H, W] int64, classes 0 to 18.
    Returns [B, 1, H, W] float in [0, 1]: 1 is paper, 0 is ink.
    """
    ink = _ink_from_image(images)  # [B, 1, H', W'] at working size
    size, side = (ink.shape[-2], ink.shape[-1]), max(ink.shape[-2:])
    outlines = torch.maximum(
        _borders(label_maps, _SURFACES, size, smoothing=0.016), _borders(label_maps, _MOUTH, size, smoothing=0.0045)
    )
    reach = 2 * round(0.012 * side) + 1  # the picture has its own line beside each outline: leave that one out
    beside = F.max_pool2d(outlines, reach, stride=1, padding=reach // 2)
    beside = gaussian_blur(beside, 0.004 * side)
    empty = _mask(label_maps, ("background", "cloth", "hat"), size)
    strength = (1.0 - empty - 0.2 * _mask(label_maps, ("hair",), size)).clamp(0.0, 1.0)  # hair a little lighter
    brows = gaussian_blur(_mask(label_maps, ("l_brow", "r_brow"), size), 0.004 * side)
    brows = 0.9 * (3.0 * (brows - 0.35)).clamp(0.0, 1.0)
    return _to_paper(torch.maximum(torch.maximum(outlines, brows), ink * strength * (1.0 - beside)), images)


def _to_paper(ink: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    h, w = images.shape[-2:]
    return 1.0 - _resize(ink, (h, w)).clamp(0.0, 1.0)


def _resize(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(x, size=size, mode="bicubic", antialias=True, align_corners=False)


def _line_detectors(sigma: float) -> torch.Tensor:
    """Kernels [12, 1, K, K] that answer above 0 to a dark line of their direction; each sums to 0."""
    long_sigma = 3.0 * sigma
    radius = math.ceil(2.5 * long_sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")  # [K, K]
    kernels = []
    for k in range(N_DIRECTIONS):
        angle = math.pi * k / N_DIRECTIONS
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        length = torch.exp(-0.5 * (along / long_sigma) ** 2)
        inner = length * torch.exp(-0.5 * (across / sigma) ** 2)
        outer = length * torch.exp(-0.5 * (across / (1.6 * sigma)) ** 2)
        kernels.append(outer / outer.sum() - inner / inner.sum())
    return torch.stack(kernels)[:, None]  # [12, 1, K, K]


def _ink_from_image(images: torch.Tensor) -> torch.Tensor:
    """Ink at working size, [B, 1, H', W'] in [0, 1]."""
    h, w = images.shape[-2:]
    scale = min(2.0, LARGEST / max(h, w))
    rgb = (0.5 * _resize(images.float(), (round(h * scale), round(w * scale))) + 0.5).clamp(0.0, 1.0)
    weights = rgb.new_tensor([0.30, 0.55, 0.15]).view(1, 3, 1, 1)
    light = torch.log((rgb**2.2 * weights).sum(1, keepdim=True) + 0.02)  # [B, 1, H', W']
    kernels = _line_detectors(max(LINE_SIGMA * max(h, w), 0.4) * scale).to(light)
    r = kernels.shape[-1] // 2
    answers = F.conv2d(F.pad(light, (r, r, r, r), mode="replicate"), kernels)  # [B, 12, H', W']
    return (answers.amax(1, keepdim=True) / THRESHOLD - 1.0).clamp(0.0, 1.0)


def _mask(label_maps: torch.Tensor, names: tuple[str, ...], size: tuple[int, int]) -> torch.Tensor:
    """Where any of the named parts is, [B, 1, H', W'] in [0, 1]."""
    member = torch.tensor([float(name in names) for name in LABEL_NAMES], device=label_maps.device)
    return F.interpolate(member[label_maps][:, None], size=size, mode="bilinear", align_corners=False)


def _borders(
    label_maps: torch.Tensor, groups: tuple[tuple[str, ...], ...], size: tuple[int, int], smoothing: float
) -> torch.Tensor:
    """1 on the lines where two groups of classes meet, else 0: [B, 1, H', W']. Classes in no group count as the first.

    Each group is blurred by `smoothing` (fraction of the side) and enlarged; the strongest group wins each pixel.
    """
    group_of = {name: i for i, names in enumerate(groups) for name in names}
    table = torch.tensor([group_of.get(name, 0) for name in LABEL_NAMES], device=label_maps.device)
    grouped = table[label_maps][:, None]  # [B, 1, H, W]
    sigma = smoothing * max(label_maps.shape[-2:])
    winner = best = torch.zeros(label_maps.shape[0], 1, *size, device=label_maps.device)
    for i in range(len(groups)):
        plane = gaussian_blur((grouped == i).float(), sigma)
        plane = F.interpolate(plane, size=size, mode="bilinear", align_corners=False)
        winner = torch.where(plane > best, float(i), winner)
        best = torch.maximum(plane, best)
    reach = 2 * max(1, round(0.5 * OUTLINE_WIDTH * max(size))) + 1
    highest = F.max_pool2d(winner, reach, stride=1, padding=reach // 2)
    lowest = -F.max_pool2d(-winner, reach, stride=1, padding=reach // 2)
    return (highest > lowest).float()
