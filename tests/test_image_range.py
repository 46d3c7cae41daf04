"""Images in [0, 255], with NaN, or of bytes are refused wherever faces go in; what generators make passes."""

import pytest
import torch

import idnb
from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.inversion.objectives import Reconstruction
from idnb.models.attribute_regressor import load_attribute_regressor
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.face_parser import load_face_parser
from idnb.models.stylegan2 import Generator

FACES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def with_one(value: float) -> torch.Tensor:
    images = FACES.clone()
    images[1, 2, 30, 40] = value
    return images


BAD = {
    "bytes as float": ((FACES + 1) * 127.5, r"from .* to 25\d.*x / 127\.5 - 1"),
    "bytes": (((FACES + 1) * 127.5).byte(), r"have type torch\.uint8.*x / 127\.5 - 1"),
    "one NaN": (with_one(float("nan")), "nan"),
    "infinity": (with_one(-float("inf")), "inf"),
}


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    generator = Generator.from_preset(TINY).eval().requires_grad_(False)
    return generator, IdentityGuidedEncoder("low_res", TINY).eval()


@pytest.mark.parametrize("what", BAD)
def test_identity_networks_parser_and_reader_refuse(what) -> None:
    images, words = BAD[what]
    networks = [idnb.load_identity_network("tiny"), idnb.load_identity_network("tiny", judge=True)]
    for look in (*networks, load_face_parser().label_maps, load_attribute_regressor().read):
        with pytest.raises(InputError, match=f"images .*{words}"):
            look(images)


@pytest.mark.parametrize("what", BAD)
def test_encoders_refuse_identities(what, networks) -> None:
    images, words = BAD[what]
    generator, encoder = networks
    with pytest.raises(InputError, match=f"x_id .*{words}"):
        encoder.generate(generator, torch.zeros(2, 3, 8, 8), images, 1)


def test_a_face_of_one_pixel_is_none(networks) -> None:
    generator, encoder = networks
    for side in (1, 15):
        with pytest.raises(InputError, match=f"x_id has {side} pixels a side; a face has 16 or more"):
            encoder.generate(generator, torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, side, side), 1)


def test_targets_of_an_inversion_are_looked_at() -> None:
    with pytest.raises(InputError, match=r"targets hold values from .* to 25"):
        Reconstruction((FACES + 1) * 127.5)
    with pytest.raises(InputError, match="targets hold values from nan"):
        Reconstruction(FACES * float("nan"))


def test_what_generators_make_may_be_looked_at(networks) -> None:
    generator, _ = networks
    arcface = idnb.load_identity_network("tiny")
    with torch.no_grad():
        images = generator(torch.randn(4, generator.style_dim, generator=torch.Generator().manual_seed(1)))
        assert images.abs().max() > 1.5  # an untrained generator overshoots
        assert arcface(images).shape == (4, 256)
    leaf = images.clone().requires_grad_()
    arcface(leaf).sum().backward()
    assert leaf.grad is not None and leaf.grad.abs().sum() > 0
