"""Labs that need the generator alone: seed and truncation, and style mixing by rows."""

from collections.abc import Callable
from typing import Any

import ipywidgets
import torch

from idnb.models.embedder import FaceEmbedder
from idnb.models.stylegan2 import Generator
from idnb.widgets.parts import Lab, Panel, difference

__all__ = ["SampleLab", "StyleMixLab", "layer_titles", "sample_w"]

WIDE = ipywidgets.Layout(width="420px")
LABELS = {"description_width": "130px"}


@torch.inference_mode()
def sample_w(generator: Generator, seed: int, truncation_psi: float = 1.0) -> torch.Tensor:
    """w of one seed, [1, style_dim]: the same z for a seed on every device."""
    z = torch.randn(1, generator.style_dim, generator=torch.Generator().manual_seed(int(seed)))
    return generator.mapping(z.to(generator.w_avg.device), float(truncation_psi))


def layer_titles(generator: Generator) -> list[str]:
    """For each row of W+, the resolution it acts on: "4 px", "4 px", "8 px", ..."""
    sides = [4] + [4 * 2 ** (1 + (row - 1) // 2) for row in range(1, generator.n_styles)]
    return [f"{min(side, generator.size)} px" for side in sides]


class SampleLab(Lab):
    """One face from a seed, pulled towards the average face by truncation.

    generator: any. judge: measures how much of the person of psi = 1 is left; None leaves the number out.
    target: see `Lab`; numbers are "psi", "distance" of w from the mean, and "similarity" to psi = 1.
    """

    def __init__(
        self,
        generator: Generator,
        judge: FaceEmbedder | None = None,
        target: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        self.generator, self.judge = generator, judge
        controls = {
            "seed": ipywidgets.IntSlider(0, 0, 99, description="seed", layout=WIDE, style=LABELS),
            "psi": ipywidgets.FloatSlider(
                1.0, min=-0.5, max=1.5, step=0.05, description="truncation psi", layout=WIDE, style=LABELS
            ),
        }
        super().__init__(controls, target)

    @torch.inference_mode()
    def draw(self, **state: Any) -> tuple[list[Panel], dict[str, Any], str]:
        """The average face, this face, and this face without truncation."""
        generator, psi = self.generator, float(state["psi"])
        w = torch.cat([sample_w(generator, state["seed"], p) for p in (0.0, psi, 1.0)])  # [3, style_dim]
        images = generator.synthesis(generator.to_w_plus(w))
        numbers: dict[str, Any] = {"psi": psi, "distance": float((w[1] - generator.w_avg).norm())}
        caption = f"distance from the mean {numbers['distance']:.1f}"
        if self.judge is not None:
            faces = self.judge(images[1:])
            numbers["similarity"] = float((faces[0] * faces[1]).sum())
            caption += f", judge {numbers['similarity']:.2f}"
        panels = [
            Panel(images[0], "psi 0: the average"),
            Panel(images[1], f"psi {psi:.2f}", caption),
            Panel(images[2], "psi 1: as drawn"),
            Panel(difference(images[1], images[2]), "difference to psi 1"),
        ]
        return panels, numbers, ""


class StyleMixLab(Lab):
    """Two samples; the rows of W+ that you choose come from the second, all others from the first.

    generator, judge, target: see `SampleLab`; numbers are "rows", and "to_a", "to_b" by the judge.
    """

    def __init__(
        self,
        generator: Generator,
        judge: FaceEmbedder | None = None,
        target: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        self.generator, self.judge = generator, judge
        n = generator.n_styles
        controls = {
            "a": ipywidgets.IntSlider(1, 0, 99, description="seed of A", layout=WIDE, style=LABELS),
            "b": ipywidgets.IntSlider(2, 0, 99, description="seed of B", layout=WIDE, style=LABELS),
            "rows": ipywidgets.IntRangeSlider(
                value=(n // 2, n), min=0, max=n, description="rows from B", layout=WIDE, style=LABELS
            ),
            "psi": ipywidgets.FloatSlider(
                0.8, min=0.0, max=1.2, step=0.05, description="truncation psi", layout=WIDE, style=LABELS
            ),
        }
        super().__init__(controls, target)

    @torch.inference_mode()
    def draw(self, **state: Any) -> tuple[list[Panel], dict[str, Any], str]:
        """A, the mixture, B."""
        generator = self.generator
        first, last = state["rows"]
        codes = [generator.to_w_plus(sample_w(generator, state[name], state["psi"])) for name in ("a", "b")]
        mixed = codes[0].clone()
        mixed[:, first:last] = codes[1][:, first:last]
        images = generator.synthesis(torch.cat([codes[0], mixed, codes[1]]))  # [3, 3, H, W]
        numbers: dict[str, Any] = {"rows": (first, last)}
        caption = "no row from B"
        if last > first:
            titles = layer_titles(generator)
            caption = f"rows {first} to {last - 1} from B: {titles[first]} to {titles[last - 1]}"
        if self.judge is not None:
            faces = self.judge(images)
            numbers["to_a"], numbers["to_b"] = (float((faces[1] * faces[i]).sum()) for i in (0, 2))
            caption += f"; judge: A {numbers['to_a']:.2f}, B {numbers['to_b']:.2f}"
        return [Panel(images[0], "A"), Panel(images[1], "mixture", caption), Panel(images[2], "B")], numbers, ""
