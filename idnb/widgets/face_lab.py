"""The main lab: one contour, one identity, every refinement step."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import torch

from idnb.contours.kinds import contour_kind
from idnb.widgets.gallery import Gallery
from idnb.widgets.parts import Lab, Panel, difference, download_links
from idnb.widgets.sample_labs import LABELS, WIDE
from idnb.widgets.scores import pick_faces, score
from idnb.widgets.session import Outcome, Session
from idnb.widgets.uploads import UploadBox

__all__ = ["FaceLab"]

SIZES = (4, 8, 16, 32)


class FaceLab(Lab):
    """Choose a contour and a person; see the average face turn into the answer.

    session: generator, encoders, judge. faces: a set of people. contours, identities: picture numbers offered; None
    takes some, spread over the set. target: see `Lab`; numbers are "idsim", "fidelity", "step", "change".
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
        rows = pick_faces(faces, contours, 10, 1), pick_faces(faces, identities, 10, 0)
        self._contours: list[tuple[torch.Tensor, torch.Tensor | None]] = list(
            zip(faces.images(rows[0]), faces.label_maps(rows[0]), strict=True)
        )
        self._people = list(faces.images(rows[1]))
        names = [[f"person {faces.identity[i]}, picture {faces.shot[i]}" for i in part] for part in rows]
        kinds = [(contour_kind(kind).title, kind) for kind in session.encoders]
        steps = next(iter(session.encoders.values())).steps
        controls = {
            "contour": Gallery([image for image, _ in self._contours], names[0], "contour from this picture"),
            "person": Gallery(self._people, names[1], "identity from this picture", value=min(1, len(rows[1]) - 1)),
            "kind": ipywidgets.ToggleButtons(options=kinds, description="contour as", style=LABELS),
            "low_res": ipywidgets.SelectionSlider(
                options=SIZES, value=8, description="its side, pixels", layout=WIDE, style=LABELS
            ),
            "steps": ipywidgets.IntSlider(steps, 1, 6, description="refinement steps", layout=WIDE, style=LABELS),
            "step": ipywidgets.IntSlider(steps, 0, steps, description="look at step", layout=WIDE, style=LABELS),
            "strength": ipywidgets.FloatSlider(
                1.0, min=0.0, max=1.6, step=0.1, description="identity strength", layout=WIDE, style=LABELS
            ),
        }
        self.uploads = {
            "contour": UploadBox("Own picture: contour", session.size, self._add_contour),
            "person": UploadBox("Own picture: identity", session.size, self._add_person),
        }
        controls["steps"].observe(self._more_steps, names="value")
        self.links = ipywidgets.HTML()
        self._last: tuple[Any, Outcome, torch.Tensor] | None = None
        super().__init__(controls, target)

    def layout(self) -> Any:
        """Galleries left and right, sliders below them."""
        galleries = [
            ipywidgets.VBox(
                [self.controls[name].box, self.uploads[name].box],
                layout=ipywidgets.Layout(width="320px", margin="0 12px"),
            )
            for name in ("contour", "person")
        ]
        sliders = [self.controls[name] for name in ("kind", "low_res", "steps", "step", "strength")]
        return ipywidgets.VBox([ipywidgets.HBox(galleries), *sliders, self.links])

    def draw(self, **state: Any) -> tuple[list[Panel], dict[str, Any], str]:
        """Contour, identity, the steps, and what the step looked at has changed."""
        kind, session = state["kind"], self.session
        key = tuple(state[name] for name in ("contour", "person", "kind", "low_res", "steps", "strength"))
        if self._last is None or self._last[0] != key:  # looking at another step computes nothing anew
            image, labels = self._contours[state["contour"]]
            x_c = session.contour(kind, image, labels, state["low_res"])
            people = [(self._people[state["person"]], 1.0)]
            self._last = key, session.run(kind, x_c, people, state["strength"], state["steps"]), x_c
        outcome, x_c = self._last[1:]
        step = min(state["step"], state["steps"])
        shown, person = outcome.images[step], self._people[state["person"]]
        before = outcome.images[max(0, step - 1)]
        numbers, below = score(session, kind, shown, x_c, {"the person": person}, self.bands)
        numbers |= {"step": step, "change": float((shown - before).square().mean().sqrt())}
        settings = {**state, "step": step, **{name: round(float(value), 4) for name, value in numbers.items()}}
        self.links.value = download_links(shown, settings)
        panels = [
            Panel(contour_kind(kind).display(x_c, session.size)[0], "contour"),
            Panel(person, "identity"),
            Panel(shown, "result" if step == state["steps"] else f"step {step}"),
            Panel(difference(shown, before), "difference", f"to the step before, RMS {numbers['change']:.3f}"),
        ]
        titles = ["average", *(f"step {i}" for i in range(1, state["steps"] + 1))]
        panels += [Panel(image, title) for image, title in zip(outcome.images, titles, strict=True)]
        return panels, numbers, below

    def _more_steps(self, change: Any) -> None:
        """The slider that looks at a step ends where the steps end, and stays at the result if it was there."""
        slider = self.controls["step"]
        at_result = slider.value == slider.max
        slider.max = change["new"]
        if at_result:
            slider.value = change["new"]

    def _add_contour(self, name: str, face: torch.Tensor) -> None:
        labels = self.session.parser.label_maps(face[None])[0] if self.session.parser is not None else None
        self._contours.append((face, labels))
        self.controls["contour"].add(face, name)

    def _add_person(self, name: str, face: torch.Tensor) -> None:
        self._people.append(face)
        self.controls["person"].add(face, name)
