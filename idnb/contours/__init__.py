"""The paper's three contour conditions, one class each, and the line art that sketches need."""

from idnb.contours.contour import Contour
from idnb.contours.kinds import CONTOURS, contour_from_file, contour_kind

__all__ = ["CONTOURS", "Contour", "contour_from_file", "contour_kind"]
