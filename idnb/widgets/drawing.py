"""A sheet to draw on with mouse, pen or finger, made of core controls alone.

Colab, JupyterLab and VS Code each load foreign widget code in their own way, or not at all. This pad needs none: an
`HTML` control holds a canvas, and what is drawn goes through a hidden `Textarea`, as if somebody had typed it. The
browser draws at once; the kernel draws the same strokes again on its own sheet, and that one counts.

A stroke is {"v": value, "r": radius, "p": [x0, y0, x1, y1, ...]} in pixels of the sheet. The browser sends all strokes
since the sheet was last set, so that a message that is overtaken by the next one loses nothing.
"""

import itertools
import json
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from PIL import Image, ImageDraw

from idnb.contours.contour import Contour
from idnb.core.errors import InputError
from idnb.widgets.parts import data_url, png_bytes

__all__ = ["DrawingPad", "paint_strokes"]

MAX_STROKES = 2000
_numbers = itertools.count()

# Runs once the sheet's picture is there. `this` is the hidden <img>, `c` the canvas beside it.
_SCRIPT = """
const c = this.parentNode.querySelector('canvas'); if (c.ready) return; c.ready = true;
const g = c.getContext('2d'); g.imageSmoothingEnabled = false; g.drawImage(this, 0, 0, c.width, c.height);
c.strokes = []; let s = null, timer = null;
const send = () => { timer = null;
  const t = document.querySelector('.' + c.dataset.pad + ' textarea'); if (!t) return;
  t.value = JSON.stringify({epoch: +c.dataset.epoch, strokes: c.strokes});
  t.dispatchEvent(new Event('input', {bubbles: true})); t.dispatchEvent(new Event('change', {bubbles: true})); };
const soon = () => { if (!timer) timer = setTimeout(send, 60); };
const at = (e) => { const b = c.getBoundingClientRect(); const f = (v) => Math.round(10 * v) / 10;
  return [f((e.clientX - b.left) * c.width / b.width), f((e.clientY - b.top) * c.height / b.height)]; };
const line = (x0, y0, x1, y1) => { g.strokeStyle = s.k; g.lineWidth = 2 * s.r; g.lineCap = 'round';
  g.beginPath(); g.moveTo(x0, y0); g.lineTo(x1 + 0.01, y1); g.stroke(); };
c.onpointerdown = (e) => { e.preventDefault(); c.setPointerCapture(e.pointerId);
  const o = document.querySelector('.' + c.dataset.pad + '-tool [data-v]');
  const d = o ? o.dataset : {v: 0, r: 2, k: '#000'};
  s = {v: +d.v, r: +d.r, k: d.k, p: at(e)}; line(s.p[0], s.p[1], s.p[0], s.p[1]);
  c.strokes.push({v: s.v, r: s.r, p: s.p}); soon(); };
c.onpointermove = (e) => { if (!s) return; e.preventDefault(); const q = at(e), n = s.p.length;
  if (Math.abs(q[0] - s.p[n - 2]) + Math.abs(q[1] - s.p[n - 1]) < 0.7) return;
  line(s.p[n - 2], s.p[n - 1], q[0], q[1]); s.p.push(q[0], q[1]); soon(); };
c.onpointerup = c.onpointercancel = (e) => { s = null; soon(); };
"""


def paint_strokes(sheet: np.ndarray, strokes: Sequence[dict[str, Any]], smooth: bool = False) -> np.ndarray:
    """Draw strokes on a sheet of numbers.

    sheet: [S, S] uint8. strokes: see the module's text; values 0 to 255. smooth: soften the borders of strokes, for
    grey values; class numbers must not be mixed. Returns a new [S, S] uint8.
    Raises InputError for strokes that are not of that form.
    """
    fine = 4 if smooth and strokes else 1
    picture = Image.fromarray(sheet.repeat(fine, 0).repeat(fine, 1))
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        try:
            value, radius = int(stroke["v"]), float(stroke["r"])
            points = np.asarray(stroke["p"], dtype=float).reshape(-1, 2)  # [N, 2]
        except (KeyError, TypeError, ValueError):
            raise InputError("a stroke has the entries v, r and p, with an even number of coordinates in p") from None
        if not (0 <= value <= 255 and 0 < radius <= len(sheet) and np.isfinite(points).all()):
            raise InputError(f"a stroke has value {value} and radius {radius:g}; expected 0 to 255, and up to the side")
        points, radius = fine * points - 0.5, fine * radius  # Pillow counts from the middle of the first pixel
        for x, y in points:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=value)
        if len(points) > 1:
            pen.line([(x, y) for x, y in points], fill=value, width=max(1, round(2 * radius)))
    return np.asarray(picture.reduce(fine) if fine > 1 else picture).copy()


class DrawingPad(traitlets.HasTraits):
    """A contour under the mouse.

    kind: of the contour, one with pens (`idnb.contours.contour.Contour.pens`). contour: a batch of one, as it makes it.
    shown: side on the screen in pixels. value: the contour as drawn; a new tensor with every stroke, so observe it.
    """

    value = traitlets.Any()

    def __init__(self, kind: Contour, contour: torch.Tensor, shown: int = 300) -> None:
        super().__init__()
        self.name = f"idnb-pad-{next(_numbers)}"
        self.kind, self.shown, self.epoch = kind, shown, 0
        self.strokes: list[dict[str, Any]] = []
        self.canvas, self.tool_channel = ipywidgets.HTML(), ipywidgets.HTML()
        self.tool_channel.add_class(f"{self.name}-tool")
        self.bridge = ipywidgets.Textarea(continuous_update=True, layout=ipywidgets.Layout(display="none"))
        self.bridge.add_class(self.name)
        self.bridge.observe(self._received, names="value")
        style = {"description_width": "60px"}
        self.tool = ipywidgets.Dropdown(description="draw", style=style, layout=ipywidgets.Layout(width="220px"))
        self.radius = ipywidgets.FloatSlider(
            1.0, min=0.5, max=10.0, step=0.5, description="width", style=style, layout=ipywidgets.Layout(width="260px")
        )
        self.undo_button = ipywidgets.Button(description="Undo", layout=ipywidgets.Layout(width="80px"))
        self.clear_button = ipywidgets.Button(description="Start over", layout=ipywidgets.Layout(width="100px"))
        self.undo_button.on_click(lambda _button: self.undo())
        self.clear_button.on_click(lambda _button: self.set_contour(self._given))
        self.tool.observe(self._show_tool, names="value")
        self.radius.observe(self._show_tool, names="value")
        buttons = ipywidgets.HBox([self.undo_button, self.clear_button])
        controls = [self.canvas, self.tool_channel, self.tool, self.radius, buttons, self.bridge]
        self.box = ipywidgets.VBox(controls)
        self.set_contour(contour)

    def set_contour(self, contour: torch.Tensor) -> None:
        """Put another contour on the sheet; strokes are forgotten."""
        self._base, self._given = self.kind.to_sheet(contour), contour
        self.tool.options = [(pen.title, pen.value) for pen in self.kind.pens]
        self.tool.value = self.kind.pens[self.kind.first_pen].value
        self.radius.value = self.kind.pen_radius
        self._show_tool()
        self._reset([])

    def undo(self) -> None:
        """Take the last stroke back."""
        self._reset(self.strokes[:-1])

    def draw(self, strokes: Sequence[dict[str, Any]]) -> None:
        """Add strokes as if they had been drawn by hand."""
        self._reset([*self.strokes, *strokes])

    def _reset(self, strokes: list[dict[str, Any]]) -> None:
        """Show the sheet with these strokes, and begin a new epoch: late messages about the old one are ignored."""
        self._kept, self.epoch = strokes, self.epoch + 1
        self._take(strokes)
        side = self._base.shape[0]
        picture = png_bytes(self.kind.display(self.value, side)[0])
        script = escape(f"(function () {{ {_SCRIPT} }}).call(this)", quote=True)
        self.canvas.value = (
            f'<div><canvas width="{side}" height="{side}" data-pad="{self.name}" data-epoch="{self.epoch}" '
            f'role="img" aria-label="sheet to draw on" style="width:{self.shown}px;height:{self.shown}px;'
            'border:1px solid #777;touch-action:none;cursor:crosshair;image-rendering:pixelated"></canvas>'
            f'<img alt="" style="display:none" src="{data_url(picture)}" onload="{script}"></div>'
        )

    def _received(self, change: Any) -> None:
        try:
            message = json.loads(change["new"] or "{}")
            strokes = message.get("strokes", [])
            if message.get("epoch") == self.epoch and len(strokes) <= MAX_STROKES:
                self._take([*self._kept, *strokes])
        except (ValueError, AttributeError, InputError):
            return  # not a message of the canvas

    def _take(self, strokes: list[dict[str, Any]]) -> None:
        sheet = paint_strokes(self._base, strokes, smooth=self.kind.soft)
        self.strokes = strokes
        self.value = self.kind.from_sheet(sheet)

    def _show_tool(self, _change: Any = None) -> None:
        value = self.tool.value
        if value is None:
            return
        red, green, blue = next(pen.colour for pen in self.kind.pens if pen.value == value)
        colour = f"rgb({red},{green},{blue})"
        self.tool_channel.value = (
            f'<span data-v="{value}" data-r="{self.radius.value}" data-k="{colour}" style="display:inline-block;'
            f'width:60px;height:12px;border:1px solid #777;background:{colour}"></span>'
        )
