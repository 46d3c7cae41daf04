"""The lab: move a slider, and see a person change. On the controls that ipywidgets 7.7.1 and 8 have in common.

    SampleLab    seed and truncation of the generator          MixLab    two people, two contours, rows of W+
    StyleMixLab  rows of W+ from two samples                   DrawLab   a contour under your mouse, the face follows
    FaceLab      one contour, one identity, every step         Session   what they compute, without any widget

Each lab has `update(**state)`, which a test or a cell can call, `numbers`, and `still()`, a figure for readers without
a kernel. No lab writes a file or sends a picture anywhere.
"""

from idnb.widgets.draw_lab import DrawLab
from idnb.widgets.drawing import DrawingPad
from idnb.widgets.face_lab import FaceLab
from idnb.widgets.gallery import Gallery
from idnb.widgets.mix_lab import MixLab
from idnb.widgets.sample_labs import SampleLab, StyleMixLab
from idnb.widgets.session import Session

__all__ = ["DrawLab", "DrawingPad", "FaceLab", "Gallery", "MixLab", "SampleLab", "Session", "StyleMixLab"]
