"""What all labs are made of: pictures as HTML, one calculation at a time, errors in words."""

import asyncio
import base64
import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets
import torch
from IPython.display import display
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from idnb.core.errors import InputError
from idnb.plots.style import as_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Lab", "Latest", "Panel", "difference", "download_links", "panels_html", "png_bytes", "scale_html"]

WIDTH = 148
"""Width of a picture in a lab, in pixels of the screen."""


class Panel(NamedTuple):
    """A picture in a lab: what may be shown by `idnb.plots`, a title, and a line below."""

    picture: Any
    title: str
    caption: str = ""


def png_bytes(picture: Any, note: str = "") -> bytes:
    """A picture as a PNG file.

    picture: see `idnb.plots`; values outside [-1, 1] are cut off. note: stored in the file under the key "idnb".
    """
    if isinstance(picture, torch.Tensor) and picture.is_floating_point():
        picture = picture.detach().clamp(-1.0, 1.0)
    info = PngInfo()
    if note:
        info.add_itxt("idnb", note)
    buffer = io.BytesIO()
    Image.fromarray(as_picture(picture)).save(buffer, "png", compress_level=1, pnginfo=info)
    return buffer.getvalue()


def data_url(content: bytes, kind: str = "image/png") -> str:
    """Bytes as an address that holds them, so that no file and no server is needed."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def panels_html(panels: Sequence[Panel]) -> str:
    """Pictures side by side, each with title, caption and alternative text."""
    cells = []
    for panel in panels:
        picture = as_picture(panel.picture.clamp(-1, 1) if _is_image(panel.picture) else panel.picture)
        blocks = "pixelated" if picture.shape[0] < 64 else "auto"
        text = escape(f"{panel.title}. {panel.caption}".strip(), quote=True)
        cells.append(
            f'<figure style="margin:2px 4px;width:{WIDTH}px"><figcaption style="font-size:12px;line-height:1.3">'
            f'<b>{escape(panel.title)}</b></figcaption><img alt="{text}" width="{WIDTH}" height="{WIDTH}" '
            f'style="image-rendering:{blocks};max-width:none" src="{data_url(png_bytes(panel.picture))}">'
            f'<figcaption style="font-size:11px;line-height:1.3">{escape(panel.caption)}</figcaption></figure>'
        )
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(cells)}</div>'


def _is_image(picture: Any) -> bool:
    return isinstance(picture, torch.Tensor) and picture.is_floating_point()


def difference(after: torch.Tensor, before: torch.Tensor, gain: float = 4.0) -> torch.Tensor:
    """Where two pictures differ: black where they agree, brighter where they do not.

    after, before: [3, H, W] in [-1, 1]. gain: brightness of a difference of 1. Returns [3, H, W] in [-1, 1].
    """
    change = (after.clamp(-1, 1) - before.clamp(-1, 1)).abs().mean(0, keepdim=True)  # [1, H, W]
    return (gain * change - 1.0).clamp(-1.0, 1.0).expand(3, -1, -1)


def scale_html(value: float, bands: Mapping[str, tuple[float, float]], title: str) -> str:
    """A similarity on a line from -0.2 to 1, over the bands it has to be compared with."""

    def place(x: float) -> float:
        return 100.0 * min(max((x + 0.2) / 1.2, 0.0), 1.0)

    colours = ("#d8dee9", "#b5dcb0", "#f3d9a4")
    shades = "".join(
        f'<div title="{escape(name)}" style="position:absolute;height:100%;left:{place(low):.1f}%;'
        f'width:{place(high) - place(low):.1f}%;background:{colour}"></div>'
        for (name, (low, high)), colour in zip(bands.items(), colours, strict=False)
    )
    words = ", ".join(f"{name} {low:.2f} to {high:.2f}" for name, (low, high) in bands.items())
    return (
        f'<div style="font-size:12px;line-height:1.4">{escape(title)}: <b>{value:.2f}</b>'
        f"{' (' + escape(words) + ')' if words else ''}"
        f'<div style="position:relative;width:320px;height:12px;border:1px solid #999">{shades}<div style="'
        f'position:absolute;left:{place(value):.1f}%;width:3px;height:100%;background:#b2182b"></div></div></div>'
    )


def download_links(picture: Any, settings: Mapping[str, Any], name: str = "idnb") -> str:
    """Two links: the picture, which carries its settings inside, and the settings alone."""
    text = json.dumps({"made with": "idnb, a generated face", **settings}, indent=1)
    style = "padding:3px 9px;border:1px solid #888;border-radius:3px;text-decoration:none;font-size:12px"
    return (
        f'<a style="{style}" download="{name}.png" href="{data_url(png_bytes(picture, text))}">Download result</a> '
        f'<a style="{style}" download="{name}.json" href="{data_url(text.encode(), "application/json")}">'
        "Download settings</a>"
    )


class Latest:
    """Runs a job for the newest request only: while one runs, any number of further requests becomes a single one.

    job: called without arguments. delay: seconds to wait for requests that are on their way already. Where no event
    loop runs, as in a test, the job runs at once.
    """

    def __init__(self, job: Callable[[], None], delay: float = 0.01) -> None:
        self.job, self.delay, self.runs = job, delay, 0
        self._waiting = False

    def request(self) -> None:
        """Ask for a run."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._run()
            return
        if not self._waiting:
            self._waiting = True
            loop.call_later(self.delay, self._run)

    def _run(self) -> None:
        self._waiting = False
        self.runs += 1
        self.job()


class Lab(ABC):
    """A box of controls above a row of pictures. Subclasses give `controls` and write `draw`.

    target: takes the numbers of the picture and returns a sentence, such as whether a goal is reached; it stands below.
    Attributes: `controls`, by name; `numbers` of the last picture; `panels` last shown; `milliseconds` it took; `box`.
    """

    def __init__(self, controls: Mapping[str, Any], target: Callable[[dict[str, Any]], str] | None = None) -> None:
        self.controls = dict(controls)
        self.target = target
        self.numbers: dict[str, Any] = {}
        self.panels: list[Panel] = []
        self.milliseconds = 0.0
        self.pictures = ipywidgets.HTML()
        self.scores = ipywidgets.HTML()
        self.message = ipywidgets.HTML()
        self._quiet = False
        self.latest = Latest(self.refresh)
        for control in self.controls.values():
            control.observe(self._changed, names="value")
        self.box = ipywidgets.VBox([self.layout(), self.pictures, self.scores, self.message])
        self.box.add_class("idnb-lab")
        self.refresh()

    @abstractmethod
    def draw(self, **state: Any) -> tuple[list[Panel], dict[str, Any], str]:
        """Compute: the pictures, the numbers by name, and HTML for the line below. `state` holds every control."""

    def layout(self) -> Any:
        """The controls, arranged."""
        return ipywidgets.VBox(
            [control for control in self.controls.values() if isinstance(control, ipywidgets.Widget)]
        )

    @property
    def state(self) -> dict[str, Any]:
        """The value of every control."""
        return {name: control.value for name, control in self.controls.items()}

    def update(self, **state: Any) -> dict[str, Any]:
        """Set controls, draw once, and return the numbers. Raises InputError for a control that is not there."""
        unknown = set(state) - set(self.controls)
        if unknown:
            raise InputError(
                f"no control is called {', '.join(sorted(unknown))}; there are: {', '.join(self.controls)}"
            )
        self._quiet = True
        try:
            for name in (name for name in self.controls if name in state):  # one may set the limits of a later one
                self.controls[name].value = state[name]
        finally:
            self._quiet = False
        self.refresh()
        return self.numbers

    def refresh(self) -> None:
        """Draw what the controls say. Never raises: what goes wrong is said below the pictures."""
        begin = time.perf_counter()
        try:
            self.panels, self.numbers, below = self.draw(**self.state)
            self.pictures.value = panels_html(self.panels)
            goal = f'<div style="font-size:13px">{escape(self.target(self.numbers))}</div>' if self.target else ""
            self.milliseconds = 1000 * (time.perf_counter() - begin)
            self.scores.value = f'{below}{goal}<div style="font-size:11px;color:#666">{self.milliseconds:.0f} ms</div>'
            self.say("")
        except InputError as error:
            self.say(str(error))
        except Exception as error:  # a dead lab would say nothing at all, as no cell is running that could show it
            self.say(f"{type(error).__name__}: {error}")

    def say(self, text: str) -> None:
        """Show a sentence below the pictures, or clear it."""
        style = "color:#8c2d04;font-size:13px;line-height:1.4;max-width:720px"
        self.message.value = f'<div role="alert" style="{style}">{escape(text)}</div>' if text else ""

    def still(self, title: str = "") -> "Figure":
        """The pictures as a figure, for readers without a kernel; hand it to `idnb.plots.show`."""
        from idnb.plots.grids import show_row

        pictures = [p.picture.clamp(-1, 1) if _is_image(p.picture) else p.picture for p in self.panels]
        return show_row(pictures, [p.title for p in self.panels], title, cell=1.15, legend=False)

    def _changed(self, _change: Any) -> None:
        if not self._quiet:
            self.latest.request()

    def _ipython_display_(self) -> None:
        display(self.box)
