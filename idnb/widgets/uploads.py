"""Pictures of your own in a lab: read in memory, aligned, and refused in words."""

from collections.abc import Callable
from typing import Any

import ipywidgets
import torch

from idnb.core.errors import InputError
from idnb.core.pictures import read_picture
from idnb.faces.align import NoFaceError, align_face
from idnb.faces.photo import open_photo

__all__ = ["UploadBox", "face_from_bytes", "uploaded_files"]

MAX_BYTES = 30_000_000


def uploaded_files(value: Any) -> list[tuple[str, bytes]]:
    """Names and contents of a FileUpload's value: a dict in ipywidgets 7, a tuple in 8."""
    if isinstance(value, dict):
        return [(name, bytes(entry["content"])) for name, entry in value.items()]
    return [(str(entry["name"]), bytes(entry["content"])) for entry in value]


def face_from_bytes(name: str, content: bytes, size: int) -> torch.Tensor:
    """The largest face of a picture file that lies in memory, aligned.

    name: of the file, for messages. content: the file. size: side of the crop in pixels.
    Returns [3, size, size] in [-1, 1]. Raises InputError when it is no picture, too large, or shows no face.
    """
    if not content:
        raise InputError(f"{name} is empty; choose it again")
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has {len(content) / 1e6:.0f} MB; make it smaller than {MAX_BYTES / 1e6:.0f} MB")
    picture = open_photo(read_picture(content, name, "save it again as JPEG or PNG"))
    try:
        return align_face(picture, size).image
    except NoFaceError:
        raise InputError(
            f"no face found in {name} ({picture.width} x {picture.height} pixels); use a photo with one upright face "
            "that looks roughly at the camera, with some room around the head"
        ) from None


class UploadBox:
    """A button for a picture of your own; the face in it goes to `accept(name, face)`, a refusal stands below.

    title: on the button. size: of the aligned face in pixels. accept: may raise InputError as well.
    """

    def __init__(self, title: str, size: int, accept: Callable[[str, torch.Tensor], None]) -> None:
        self.size, self.accept = size, accept
        layout = ipywidgets.Layout(width="210px")
        self.button = ipywidgets.FileUpload(accept="image/*", multiple=False, description=title, layout=layout)
        self.message = ipywidgets.HTML()
        self.box = ipywidgets.VBox([self.button, self.message])
        self.button.observe(self._uploaded, names="value")

    def take(self, name: str, content: bytes) -> bool:
        """Read a file as if it had been uploaded. Returns whether it was accepted."""
        try:
            self.accept(name, face_from_bytes(name, content, self.size))
        except InputError as error:
            self._say(str(error), "#8c2d04")
            return False
        self._say(f"{name}: face found and aligned; it stays in memory", "#33691e")
        return True

    def _uploaded(self, change: Any) -> None:
        files = uploaded_files(change["new"])
        if not files:
            return
        self.take(*files[-1])
        if isinstance(self.button.value, dict):  # ipywidgets 7: emptied in place, so that the same file can come again
            self.button.value.clear()
            self.button._counter = 0
        else:
            self.button.value = ()

    def _say(self, text: str, colour: str) -> None:
        from html import escape

        self.message.value = (
            f'<div role="alert" style="color:{colour};font-size:12px;max-width:320px">{escape(text)}</div>'
        )
