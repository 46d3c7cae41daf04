"""Contact sheets: many people at one look."""

import numpy as np
from numpy.typing import NDArray

from idnb.faces.synthetic import Faces

__all__ = ["contact_sheet"]


def contact_sheet(faces: Faces, count: int = 64, columns: int = 8) -> NDArray[np.uint8]:
    """Put the first picture of many people side by side.

    faces: the set.
    count: of people; fewer when the set has fewer.
    columns: of the sheet.
    Returns (rows * size, columns * size, 3) sRGB 0..255; empty places are white.
    """
    first = np.flatnonzero(faces.shot == faces.shot.min())[:count]
    tiles = faces.pixels(first)
    rows = -(-len(tiles) // columns)
    blank = np.full((rows * columns - len(tiles), *tiles.shape[1:]), 255, np.uint8)
    grid = np.concatenate([tiles, blank]).reshape(rows, columns, *tiles.shape[1:])  # [rows, columns, H, W, 3]
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * tiles.shape[1], -1, 3)  # [rows * H, columns * W, 3]
