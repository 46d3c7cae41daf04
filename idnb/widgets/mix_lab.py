"""Mixtures: two people under one contour, two kinds of contour, and rows of W+ from another person."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import torch

from idnb.contours.kinds import contour_kind
from idnb.models.contour_encoder import Latents
from idnb.widgets.gallery import Gallery
from idnb.widgets.parts import Lab, Panel
from idnb.widgets.sample_labs import LABELS, WIDE
from idnb.widgets.scores import pick_faces, score
from idnb.widgets.session import Session, blend

__all__ = ["MixLab"]


class MixLab(Lab):
    """Two people A and B, a contour of one kind or of two, and rows of W+ taken from B.

    session, faces, contours, identities: see `FaceLab`. target: see `Lab`; numbers are "idsim_A", "idsim_B" and
    "fidelity", the latter for the first kind of contour.
    """

    def __init__(
        self,
        session: Session,
        faces: Any,
        contours: Sequence[int] | None = None,
        identities: Sequence[int] | None = None,
        target: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        self.session = session
        self.bands = session.bands(faces)
        rows = pick_faces(faces, contours, 8, 1), pick_faces(faces, identities, 8, 0)
        self._contours = list(zip(faces.images(rows[0]), faces.label_maps(rows[0]), strict=True))
        self._people = list(faces.images(rows[1]))
        self._alone: dict[Any, tuple[Latents, torch.Tensor]] = {}
        names = [[f"person {faces.identity[i]}, picture {faces.shot[i]}" for i in part] for part in rows]
        kinds = [(contour_kind(kind).title, kind) for kind in session.encoders]
        n = session.generator.n_styles

        def slider(title: str) -> Any:
            return ipywidgets.FloatSlider(
                0.0, min=0.0, max=1.0, step=0.05, description=title, layout=WIDE, style=LABELS
            )

        controls = {
            "contour": Gallery([image for image, _ in self._contours], names[0], "contour from this picture"),
            "a": Gallery(self._people, names[1], "person A"),
            "b": Gallery(self._people, names[1], "person B", value=min(1, len(rows[1]) - 1)),
            "kind": ipywidgets.Dropdown(options=kinds, description="contour as", layout=WIDE, style=LABELS),
            "other_kind": ipywidgets.Dropdown(
                options=kinds, value=kinds[-1][1], description="and as", layout=WIDE, style=LABELS
            ),
            "to_other": slider("share of the second"),
            "to_b": slider("share of B"),
            "rows": ipywidgets.IntRangeSlider(
                value=(n, n), min=0, max=n, description="rows of W+ from B", layout=WIDE, style=LABELS
            ),
        }
        super().__init__(controls, target)

    def layout(self) -> Any:
        """Three galleries, sliders below."""
        narrow = ipywidgets.Layout(width="270px", margin="0 8px")
        galleries = [ipywidgets.VBox([self.controls[name].box], layout=narrow) for name in ("contour", "a", "b")]
        names = ("kind", "other_kind", "to_other", "to_b", "rows")
        return ipywidgets.VBox([ipywidgets.HBox(galleries), *(self.controls[name] for name in names)])

    def draw(self, **state: Any) -> tuple[list[Panel], dict[str, Any], str]:
        """The contours, A alone, B alone, and the mixture."""
        session = self.session
        image, labels = self._contours[state["contour"]]
        a, b = self._people[state["a"]], self._people[state["b"]]
        shares = {state["kind"]: 1.0 - state["to_other"]}
        shares[state["other_kind"]] = shares.get(state["other_kind"], 0.0) + state["to_other"]
        contours = {kind: session.contour(kind, image, labels) for kind in shares}

        def latents_of(people: list[tuple[torch.Tensor, float]]) -> Latents:
            used = [kind for kind, share in shares.items() if share > 0]
            return blend([session.run(k, contours[k], people).latents for k in used], [shares[k] for k in used])

        def alone_as(number: int) -> tuple[Latents, torch.Tensor]:
            key = (tuple(shares.items()), state["contour"], number)
            if key not in self._alone:
                found = latents_of([(self._people[number], 1.0)])
                self._alone[key] = found, session.paint(found)
                if len(self._alone) > 24:
                    self._alone.pop(next(iter(self._alone)))
            return self._alone[key]

        (latents_a, face_a), (latents_b, face_b) = alone_as(state["a"]), alone_as(state["b"])
        alone, share = (latents_a, latents_b), state["to_b"]
        mixed = alone[int(share)] if share in (0.0, 1.0) else latents_of([(a, 1.0 - share), (b, share)])
        first, last = state["rows"]
        w_plus = mixed.w_plus.clone()
        w_plus[:, first:last] = alone[1].w_plus[:, first:last]
        result = session.paint(Latents(w_plus, mixed.input_latent))
        kind = state["kind"]
        numbers, below = score(session, kind, result, contours[kind], {"A": a, "B": b}, self.bands)
        panels = [Panel(contour_kind(k).display(contours[k], session.size)[0], contour_kind(k).title) for k in shares]
        panels += [Panel(a, "A"), Panel(b, "B"), Panel(face_a, "contour and A")]
        caption = f"{1 - share:.0%} A, {share:.0%} B" + (f", rows {first} to {last - 1} of B" if last > first else "")
        panels += [Panel(result, "mixture", caption), Panel(face_b, "contour and B")]
        return panels, numbers, below
