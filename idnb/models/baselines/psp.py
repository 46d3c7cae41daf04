"""pSp: a feature pyramid over the body; coarse styles are read from coarse maps, fine styles from fine ones.

    body: ... 1/4 -------- 1/8 -------- 1/16          (of the input's side)
               |            |             |
    pyramid:  fine <-add- middle <-add- coarse
               |            |             |
    styles:   7..          3..6          0..2         each by its own `StyleBlock`, added to the mean of w

pSp takes one refinement step: it does not see its output. With `deltas=True` it is e4e.

Sources: Richardson et al., "Encoding in Style", CVPR 2021, section 3 and figure 2; Tov et al., "Designing an Encoder
for StyleGAN Image Manipulation" (e4e), SIGGRAPH 2021, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from idnb.core.errors import InputError
from idnb.core.presets import Preset
from idnb.models.baselines.backbone import BackboneEncoder, StyleBlock, enlarge_and_add
from idnb.models.contour_encoder import Result
from idnb.models.stylegan2 import Generator

__all__ = ["PSpEncoder"]

MIDDLE, FINE = 3, 7  # the first style read from the middle map, and from the fine one


class PSpEncoder(BackboneEncoder):
    """pSp, with the identity image as a further input.

    kind, preset: see `ContourEncoder`. options: see `BackboneEncoder`.
    """

    steps = 1

    def __init__(self, kind: str, preset: Preset, **options: Any) -> None:
        super().__init__(kind, preset, **options)
        (fine, _), (middle, _), (coarse, _) = self.size.stages[-3:]
        side = preset.encoder_size >> len(self.size.stages)  # of the coarsest map
        for row in range(preset.n_styles):
            doublings = (row >= MIDDLE) + (row >= FINE)
            self.styles.append(StyleBlock(coarse, self.size.hidden, preset.style_dim, side << doublings))
        self.latlayer1 = nn.Conv2d(middle, coarse, 1)
        self.latlayer2 = nn.Conv2d(fine, coarse, 1)

    def styles_of(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """See `BackboneEncoder.styles_of`."""
        coarse = maps[-1]
        middle = enlarge_and_add(coarse, self.latlayer1(maps[-2]))
        fine = enlarge_and_add(middle, self.latlayer2(maps[-3]))
        levels = (coarse, middle, fine)
        return [style(levels[(row >= MIDDLE) + (row >= FINE)]) for row, style in enumerate(self.styles)]

    def generate(self, generator: Generator, x_c: Tensor, x_id: Tensor, steps: int | None = None) -> Result:
        """See `ContourEncoder.generate`; the one step that pSp knows. Raises InputError when more are asked for."""
        if steps not in (None, 1):
            raise InputError(f"steps is {steps!r}; pSp takes one refinement step and has no second: leave steps out")
        return super().generate(generator, x_c, x_id, 1)
