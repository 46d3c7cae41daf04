"""Draw on a contour, and see the face follow."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import torch

from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.widgets.drawing import DrawingPad
from idnb.widgets.gallery import Gallery
from idnb.widgets.parts import Lab, Panel, difference, download_links
from idnb.widgets.scores import pick_faces, score
from idnb.widgets.session import Session

__all__ = ["DrawLab"]


class DrawLab(Lab):
    """A sketch or label map to draw on, a person, and the face that follows.

    session, faces, contours, identities: see `FaceLab`; one of the encoders must be for a kind that is drawn, such as
    sketches and label maps. kind: which; None takes the one with the most pens. target: see `Lab`; numbers are "idsim",
    "fidelity", "strokes" and "change", the RMS difference to the face before drawing.
    """

    def __init__(
        self,
        session: Session,
        faces: Any,
        contours: Sequence[int] | None = None,
        identities: Sequence[int] | None = None,
        kind: str | None = None,
        target: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        there = [name for name in session.encoders if contour_kind(name).pens]
        if not there or (kind is not None and kind not in there):
            raise InputError(
                "drawing needs an encoder for contours that are drawn, sketches or label maps say; here are: "
                f"{', '.join(there) or 'none'}"
            )
        self.session, self.kind = session, kind or max(there, key=lambda name: len(contour_kind(name).pens))
        self.bands = session.bands(faces)
        rows = pick_faces(faces, contours, 8, 1), pick_faces(faces, identities, 8, 0)
        self._contours = [
            session.contour(self.kind, image, labels)
            for image, labels in zip(faces.images(rows[0]), faces.label_maps(rows[0]), strict=True)
        ]
        self._people = list(faces.images(rows[1]))
        shown = [contour_kind(self.kind).display(contour, 64)[0] for contour in self._contours]
        names = [[f"person {faces.identity[i]}, picture {faces.shot[i]}" for i in part] for part in rows]
        self._before: tuple[tuple[int, int], torch.Tensor] | None = None
        self.pad = DrawingPad(contour_kind(self.kind), self._contours[0])
        self.links = ipywidgets.HTML()
        controls = {
            "contour": Gallery(shown, names[0], f"begin with this {contour_kind(self.kind).title}"),
            "person": Gallery(self._people, names[1], "identity from this picture", value=min(1, len(rows[1]) - 1)),
            "drawing": self.pad,
        }
        controls["contour"].observe(self._begin, names="value")
        super().__init__(controls, target)

    def layout(self) -> Any:
        """The sheet at the left, galleries beside it."""
        galleries = [self.controls["contour"].box, self.controls["person"].box, self.links]
        column = ipywidgets.VBox(galleries, layout=ipywidgets.Layout(width="300px", margin="0 14px"))
        return ipywidgets.HBox([self.pad.box, column])

    def draw(self, **state: Any) -> tuple[list[Panel], dict[str, Any], str]:
        """Identity, the face before drawing, the face now, and what drawing changed."""
        session, person = self.session, self._people[state["person"]]
        given = self._contours[state["contour"]]
        result = session.run(self.kind, state["drawing"], [(person, 1.0)]).images[-1]
        if self._before is None or self._before[0] != (state["contour"], state["person"]):
            face = session.run(self.kind, given, [(person, 1.0)]).images[-1] if self.pad.strokes else result
            self._before = (state["contour"], state["person"]), face
        before = self._before[1]
        numbers, below = score(session, self.kind, result, state["drawing"], {"the person": person}, self.bands)
        numbers |= {"strokes": len(self.pad.strokes), "change": float((result - before).square().mean().sqrt())}
        settings = {"kind": self.kind, "contour": state["contour"], "person": state["person"], **numbers}
        self.links.value = download_links(result, {**settings, "drawn": self.pad.strokes})
        drawn = contour_kind(self.kind).display(state["drawing"], session.size)[0]
        panels = [
            Panel(drawn, "what is read", "1 stroke" if numbers["strokes"] == 1 else f"{numbers['strokes']} strokes"),
            Panel(person, "identity"),
            Panel(before, "before drawing"),
            Panel(result, "now"),
            Panel(difference(result, before), "difference", f"RMS {numbers['change']:.3f}"),
        ]
        return panels, numbers, below

    def _begin(self, change: Any) -> None:
        self.pad.set_contour(self._contours[change["new"]])
