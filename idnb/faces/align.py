"""From a photo to an aligned square."""

from idnb.faces.framing import ffhq_crop

__all__ = ["ffhq_crop"]
