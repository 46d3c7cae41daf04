"""A session with untrained networks whose encoder does change the face, for tests of the labs."""

import torch

import idnb
from idnb.core.presets import TINY
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.stylegan2 import Generator
from idnb.widgets import Session

__all__ = ["untrained_session"]


def untrained_session(kinds: tuple[str, ...] = ("low_res", "sketch", "label_map")) -> Session:
    """Generator and encoders of `tiny` with seeded weights; the judge is the bundled one."""
    torch.manual_seed(0)
    generator = Generator.from_preset(TINY).eval().requires_grad_(False)
    encoders = {}
    for kind in kinds:
        encoder = IdentityGuidedEncoder(kind, TINY).eval().requires_grad_(False)
        for name, parameter in encoder.named_parameters():
            if "head" in name and not parameter.any():  # the last layers, which start at zero
                torch.nn.init.normal_(parameter, std=0.05)
        encoders[kind] = encoder
    return Session(generator, encoders, idnb.load_identity_network("tiny", judge=True))
