"""The hybrid starts where the encoder ends, and improves on it."""

import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.inversion.hybrid import encoder_answer, hybrid_guided
from idnb.inversion.optimise import InversionConfig
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.models.stylegan2 import Generator


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    generator = Generator.from_preset(TINY).eval().requires_grad_(False)
    encoder = IdentityGuidedEncoder("low_res", TINY).eval().requires_grad_(False)
    torch.nn.init.normal_(encoder.latent_head.weight, std=0.02)
    torch.nn.init.normal_(encoder.style_head.weight, std=0.02)
    network = IdentityNetwork(IDENTITY_SIZES["tiny"]).eval().requires_grad_(False)
    return encoder, generator, network, torch.rand(2, 3, 8, 8) - 0.5, torch.rand(2, 3, 128, 128) - 0.5


def test_guided_search_starts_at_the_encoders_answer(parts):
    encoder, generator, network, x_c, x_id = parts
    code = encoder_answer(encoder, generator, x_c, x_id, steps=2)
    config = InversionConfig(steps=1, learning_rate=1e-9)
    still = hybrid_guided(encoder, generator, x_c, x_id, network, config, steps=2, progress=False)
    torch.testing.assert_close(still.w_plus, code.w_plus)
    torch.testing.assert_close(still.input_latent, code.input_latent)
    found = hybrid_guided(
        encoder, generator, x_c, x_id, network, InversionConfig(steps=4, batch=1), steps=2, progress=False
    )
    total = sum(found.terms.values())
    assert found.images.shape == (2, 3, 128, 128) and bool((total[-1] < total[0]).all())


def test_other_contours_are_refused(parts):
    with pytest.raises(InputError, match="made for sketch contours"):
        hybrid_guided(IdentityGuidedEncoder("sketch", TINY), *parts[1:2], parts[3], parts[4], parts[2])
