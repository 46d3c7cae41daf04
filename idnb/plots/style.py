"""What all figures share: colours, style, pictures out of tensors, and showing a figure with its alternative text."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from idnb.core.errors import InputError
from idnb.core.files import whole_file
from idnb.core.pictures import read_picture
from idnb.faces.labels import check_label_map, colour_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "DPI",
    "MAX_WIDTH",
    "STYLE",
    "as_picture",
    "draw_bands",
    "put_title",
    "save_figure",
    "show",
    "side_by_side",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""The cycle of Okabe and Ito, told apart by colour-blind readers too; without its yellow, too light for lines."""

DPI, MAX_WIDTH = 100, 9.0

STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "figure.facecolor": "white",
}
"""The house style; `with plt.rc_context(STYLE):` gives it to a figure of your own."""


def side_by_side(count: int, width: float, height: float, **options: Any) -> "tuple[Figure, list[Axes]]":
    """An empty figure of `count` panels. width, height: in inches, of the whole. options: of `plt.subplots`."""
    size = (min(MAX_WIDTH, width), height)
    fig, grid = plt.subplots(1, count, figsize=size, dpi=DPI, layout="constrained", squeeze=False, **options)
    return fig, list(grid[0])


def put_title(fig: "Figure", title: str) -> None:
    """Write a title above all panels, where there is one."""
    if title:
        fig.suptitle(title, weight="bold", fontsize=11)


def draw_bands(bands: Mapping[str, Any], span: Callable[..., Any], line: Callable[..., Any]) -> None:
    """Draw values as bands from their 5th to their 95th percentile, with a line at the median.

    bands: name -> values [N]. span, line: `axvspan` and `axvline` of the axes, or `axhspan` and `axhline`.
    """
    for (name, values), colour in zip(bands.items(), COLOURS[4:6] + COLOURS[:4], strict=False):
        low, middle, high = np.percentile(np.asarray(values, dtype=np.float64), (5, 50, 95))
        span(low, high, color=colour, alpha=0.25, linewidth=0, label=name)
        line(middle, color=colour, linewidth=1.2)


def as_picture(picture: Any) -> np.ndarray:
    """Turn anything a figure may show into colours.

    picture: see the module's text; a batch of one is fine.
    Returns [H, W, 3] uint8.
    Raises InputError: another shape, type or range.
    """
    if isinstance(picture, Image.Image):
        return np.array(picture.convert("RGB"))
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3:
        return picture
    tensor = torch.as_tensor(picture).detach().cpu()
    if tensor.ndim in (3, 4) and tensor.shape[0] == 1 and tensor.shape[-3:] != (1, *tensor.shape[-2:]):
        tensor = tensor[0]
    if not tensor.is_floating_point():
        tensor = tensor[0] if tensor.ndim == 3 and tensor.shape[0] == 1 else tensor
        tensor = colour_labels(check_label_map(tensor, "the picture"))
    tensor = tensor[0] if tensor.ndim == 4 and tensor.shape[0] == 1 else tensor
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3):
        raise InputError(
            f"cannot show a tensor {list(tensor.shape)}; expected [3, H, W], [1, H, W] or a label map [H, W]"
        )
    low, high = float(tensor.min()), float(tensor.max())
    if not (low >= -1.05 and high <= 1.05):  # also false for NaN
        raise InputError(f"the picture holds values from {low:.3g} to {high:.3g}; expected [-1, 1]: x / 127.5 - 1?")
    pixels = ((tensor.float().clamp(-1, 1) + 1.0) * 127.5).round().byte().expand(3, -1, -1)
    return pixels.movedim(0, -1).numpy()  # [H, W, 3]


def save_figure(fig: "Figure", path: str | Path) -> None:
    """Write a figure whole or not at all, with its text as metadata where it is a PNG.

    path: ends in .png, .pdf or .svg.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    note = {"Description": str(fig.get_label()), "Software": None} if suffix == "png" else None
    with whole_file(path) as file:
        fig.savefig(file, format=suffix, dpi=DPI, metadata=note)


def show(fig: "Figure", alt: str = "", small: bool = False) -> None:
    """Show a figure once, as a picture with alternative text, and close it.

    The text is stored twice: as the metadata `alt` of the picture, and as the plain-text form of the output, which is
    what readers without pictures get. Outside a notebook nothing appears.

    fig: from one of the functions above, or any figure of yours.
    alt: what is to be seen; empty takes the text the figure carries.
    small: store the picture as JPEG, or as PNG with 256 colours where that is smaller: a sixth to a third of a plain
        PNG's size. For grids of many faces; not where single pixels matter.
    """
    text = alt or str(fig.get_label()) or "figure"
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI, metadata={"Description": text, "Software": None})
    plt.close(fig)
    kind, content = "image/png", buffer.getvalue()
    if small:
        picture = read_picture(content, name="the figure").convert("RGB")
        picture.save(jpeg := io.BytesIO(), format="jpeg", quality=80, optimize=True, progressive=True)
        note = PngInfo()
        note.add_itxt("Description", text)
        few = picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
        few.save(png := io.BytesIO(), format="png", optimize=True, pnginfo=note)
        forms = {"image/jpeg": jpeg.getvalue(), "image/png": png.getvalue()}
        kind, content = min(forms.items(), key=lambda form: len(form[1]))
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:
        return
    if get_ipython() is not None:
        display({kind: content, "text/plain": text}, raw=True, metadata={kind: {"alt": text}})
