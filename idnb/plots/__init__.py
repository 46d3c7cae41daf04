"""How pictures, curves and networks are drawn. Functions return a figure; `show` puts it on the page."""

from idnb.plots.grids import plot_losses, show_alignment, show_grid, show_matrix, show_pairs, show_row
from idnb.plots.style import COLOURS, STYLE, as_picture, show

__all__ = [
    "COLOURS",
    "STYLE",
    "as_picture",
    "plot_losses",
    "show",
    "show_alignment",
    "show_grid",
    "show_matrix",
    "show_pairs",
    "show_row",
]
