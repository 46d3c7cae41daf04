"""GAN inversion by optimisation: W+ and its objectives, PULSE, and the hybrid of encoder and optimisation."""

from idnb.inversion.optimise import InversionConfig, invert, invert_guided, invert_images, w_std
from idnb.inversion.results import Inversion

__all__ = ["Inversion", "InversionConfig", "invert", "invert_guided", "invert_images", "w_std"]
