"""A gallery of thumbnails to choose from, made of plain buttons, which every front end of Jupyter has."""

import io
import itertools
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets
import traitlets
from PIL import Image

from idnb.core.errors import InputError
from idnb.plots.style import as_picture
from idnb.widgets.parts import data_url

__all__ = ["Gallery"]

SIDE = 54  # of a thumbnail, in pixels of the screen
_numbers = itertools.count()


class Gallery(traitlets.HasTraits):
    """Thumbnails in rows; a click chooses one.

    pictures: see `idnb.plots`. labels: what each is called, for those who cannot see it. title: above the row.
    value: which is chosen, from 0; observe it.
    """

    value = traitlets.Int(0)

    def __init__(self, pictures: Sequence[Any], labels: Sequence[str], title: str, value: int = 0) -> None:
        if not pictures or len(pictures) != len(labels):
            raise InputError(f"a gallery needs as many labels as pictures, and one at least; got {len(labels)}")
        super().__init__()
        self.buttons: list[ipywidgets.Button] = []
        self._style = ipywidgets.HTML(layout=ipywidgets.Layout(display="none"))
        self._name = f"idnb-gallery-{next(_numbers)}"
        self._pictures: list[str] = []
        heading = ipywidgets.HTML(f'<b style="font-size:12px">{escape(title)}</b>')
        self._row = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.box = ipywidgets.VBox([self._style, heading, self._row])
        for picture, label in zip(pictures, labels, strict=True):
            self._append(picture, label)
        self.value = value
        self._show()

    def add(self, picture: Any, label: str) -> int:
        """Append a picture and choose it; returns its number."""
        self._append(picture, label)
        self._show()
        self.value = len(self.buttons) - 1
        return self.value

    @traitlets.validate("value")
    def _check(self, proposal: Any) -> int:
        if not 0 <= proposal["value"] < max(1, len(self.buttons)):
            raise InputError(f"the gallery has no picture {proposal['value']}; it has 0 to {len(self.buttons) - 1}")
        return proposal["value"]

    @traitlets.observe("value")
    def _chosen(self, _change: Any) -> None:
        for number, button in enumerate(self.buttons):
            (button.add_class if number == self.value else button.remove_class)("idnb-chosen")

    def _append(self, picture: Any, label: str) -> None:
        number = len(self.buttons)
        layout = ipywidgets.Layout(width=f"{SIDE}px", height=f"{SIDE}px", padding="0", margin="2px")
        button = ipywidgets.Button(description="", tooltip=label, layout=layout)
        button.add_class(f"{self._name}-{number}")
        button.on_click(lambda _button, number=number: setattr(self, "value", number))
        image = Image.fromarray(as_picture(picture))
        method = Image.Resampling.NEAREST if image.width < SIDE else Image.Resampling.LANCZOS
        buffer = io.BytesIO()
        image.resize((SIDE, SIDE), method).save(buffer, "jpeg", quality=88)
        self._pictures.append(data_url(buffer.getvalue(), "image/jpeg"))
        self.buttons.append(button)

    def _show(self) -> None:
        self._row.children = tuple(self.buttons)
        rules = [
            f".{self._name}-{number} {{ background: url({url}) center / cover no-repeat !important; }}"
            for number, url in enumerate(self._pictures)
        ]
        rules.append(".idnb-chosen { outline: 3px solid #b2182b; outline-offset: 0; }")
        self._style.value = f"<style>{' '.join(rules)}</style>"
        self._chosen(None)
