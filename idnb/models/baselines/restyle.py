"""ReStyle: the body sees the current output beside the inputs and changes the code, several times in a row.

All styles are read from the last map of the body, each by its own `StyleBlock`. The first output is the average face.
With contour, identity image and output stacked this is the baseline of the paper's table 2, and ReStyle in table 1.

Source: Alaluf et al., "ReStyle: A Residual-Based StyleGAN Encoder via Iterative Refinement", ICCV 2021, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from idnb.core.presets import Preset
from idnb.models.baselines.backbone import BackboneEncoder, StyleBlock

__all__ = ["ReStyleEncoder"]


class ReStyleEncoder(BackboneEncoder):
    """ReStyle over pSp, with the identity image as a further input.

    kind, preset: see `ContourEncoder`. options: see `BackboneEncoder`.
    """

    sees_output = True

    def __init__(self, kind: str, preset: Preset, **options: Any) -> None:
        super().__init__(kind, preset, **options)
        self.steps = 5 if preset.name == "paper" else 3
        coarse = self.size.stages[-1][0]
        side = preset.encoder_size >> len(self.size.stages)  # of the last map
        for _ in range(preset.n_styles):
            self.styles.append(StyleBlock(coarse, self.size.hidden, preset.style_dim, side))

    def styles_of(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """See `BackboneEncoder.styles_of`."""
        return [style(maps[-1]) for style in self.styles]
