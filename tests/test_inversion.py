"""Inversion by optimisation: it descends, it keeps the best, images of a batch do not mix, bad input is named."""

import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.presets import PAPER, TINY
from idnb.core.psnr import psnr
from idnb.core.resize import resize
from idnb.inversion.objectives import Guidance, Reconstruction
from idnb.inversion.optimise import SPACES, InversionConfig, invert, invert_guided, invert_images, nearest_z, rate_at
from idnb.inversion.results import batch_size
from idnb.models.identity import IdentityNetwork, IdentitySize
from idnb.models.stylegan2 import Generator, mix_styles

FACE = IdentitySize(32, (2, 30, 2, 30), 28, 4, ((4, 1), (4, 1), (8, 1), (8, 1)), 16, 0.0, 0.2)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    made = Generator(32, 16, 2, (16, 16, 12, 8)).eval().requires_grad_(False)
    made.estimate_w_avg(1000)
    return made


@pytest.fixture(scope="module")
def identity_network():
    torch.manual_seed(1)
    return IdentityNetwork(FACE).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def known(generator):
    """Images whose codes are known: mixed styles, so that W alone cannot reach them."""
    z = torch.randn(4, 16, generator=torch.Generator().manual_seed(2))
    codes = generator.to_w_plus(generator.mapping(z))
    codes = mix_styles(codes[:2], codes[2:], 4)
    with torch.no_grad():
        return codes, generator.synthesis(codes).clamp(-1, 1)


def test_images_of_the_generator_are_found_again(generator, known):
    found = invert_images(generator, known[1], config=InversionConfig(steps=120), progress=False)
    assert found.w_plus.shape == (2, 8, 16) and found.images.shape == known[1].shape
    assert found.psnr.shape == (121, 2) and found.terms["l2"].shape == (121, 2)
    assert bool((found.psnr[-1] > found.psnr[0] + 6).all())
    torch.testing.assert_close(generator.synthesis(found.w_plus), found.images)
    torch.testing.assert_close(psnr(found.images.clamp(-1, 1), known[1]), found.psnr[-1])


def test_batches_shrink_as_images_grow(generator):
    assert batch_size(generator, None) == 16 and batch_size(generator, 3) == 3
    with torch.device("meta"):
        assert batch_size(Generator.from_preset(TINY), None) == 10
        assert batch_size(Generator.from_preset(PAPER), None) == 1


def test_the_best_code_is_returned_even_when_the_last_is_worse(generator, known):
    wild = InversionConfig(steps=12, learning_rate=5.0, ramp_up=0.0, ramp_down=0.0)
    found = invert_images(generator, known[1], config=wild, start=known[0] + 0.01, progress=False)
    torch.testing.assert_close(found.terms["l2"][-1], found.terms["l2"][:-1].min(dim=0).values)


def test_a_batch_gives_what_single_images_give(generator, known):
    config = InversionConfig(steps=5)
    together = invert_images(generator, known[1], config=config, progress=False)
    alone = invert_images(generator, known[1], config=InversionConfig(steps=5, batch=1), progress=False)
    torch.testing.assert_close(together.w_plus, alone.w_plus, atol=1e-4, rtol=1e-3)
    assert together.psnr.shape == alone.psnr.shape


def test_terms_are_weighted_and_perceptual_and_identity_take_part(generator, identity_network, known):
    def edges(a, b):  # LPIPS takes no pictures of 16 px
        return (a.diff(dim=3) - b.diff(dim=3)).square().mean(dim=(1, 2, 3))

    objective = Reconstruction(known[1], edges, 16, identity_network, {"l2": 2.0})
    terms = objective(known[1])
    assert set(terms) == {"l2", "perceptual", "identity"}
    for value in terms.values():
        torch.testing.assert_close(value, torch.zeros(2), atol=1e-5, rtol=0)
    shifted = objective((known[1] + 0.1).requires_grad_())
    torch.testing.assert_close(shifted["l2"], torch.full((2,), 0.02))
    found = invert(generator, objective, config=InversionConfig(steps=3), targets=known[1], progress=False)
    assert all(bool((value[-1] <= value[0] + 1e-3).all()) for value in found.terms.values())


def test_guidance_shrinks_to_the_contour_and_nears_the_person(generator, identity_network, known):
    x_c = resize(known[1], 4, "bicubic", clamp=False).clamp(-1, 1)
    found = invert_guided(
        generator, x_c, known[1].flip(0), identity_network, config=InversionConfig(steps=40), progress=False
    )
    assert found.psnr is None
    total = sum(found.terms.values())
    assert bool((total[-1] < total[0]).all())
    objective = Guidance(x_c, known[1].flip(0), identity_network)
    torch.testing.assert_close(objective(found.images)["contour"], found.terms["contour"][-1])
    assert bool((found.terms["contour"][-1] < found.terms["contour"][0]).all())


def test_guidance_shrinks_as_contours_are_made():
    from idnb.contours.kinds import contour_kind

    images = torch.rand(1, 3, 32, 32) - 0.5
    torch.testing.assert_close(contour_kind("low_res", size=8).make(images), resize(images, 8, "bicubic", clamp=False))


def test_staying_near_shortens_the_way(generator, known):
    start = generator.to_w_plus(generator.mapping(torch.randn(2, 16, generator=torch.Generator().manual_seed(5))))
    ways = []
    for weight in (0.0, 10.0):
        config = InversionConfig(steps=15, stay_near=weight)
        ways.append(
            float(
                (invert_images(generator, known[1], start=start, config=config, progress=False).w_plus - start).norm()
            )
        )
    assert ways[1] < 0.5 * ways[0]


def test_an_input_latent_is_kept_or_tuned(generator, known):
    latent = generator.input.input.repeat(2, 1, 1, 1)
    kept = invert_images(generator, known[1], config=InversionConfig(steps=3), input_latent=latent, progress=False)
    plain = invert_images(generator, known[1], config=InversionConfig(steps=3), progress=False)
    assert torch.equal(kept.input_latent, latent) and torch.equal(kept.w_plus, plain.w_plus)
    tuned = invert_images(
        generator,
        known[1],
        config=InversionConfig(steps=3, space="w_plus_latent"),
        input_latent=latent,
        progress=False,
    )
    assert not torch.equal(tuned.input_latent, latent) and not tuned.input_latent.requires_grad


def test_each_space_reaches_further_than_the_one_before(generator):
    random = torch.Generator().manual_seed(9)
    w_plus = torch.randn(2, generator.n_styles, 16, generator=random)
    latent = generator.input.input + torch.randn(2, 16, 4, 4, generator=random)
    with torch.no_grad():
        targets = generator.synthesis(w_plus, latent).clamp(-1, 1)
    found = {
        space: invert_images(generator, targets, config=InversionConfig(steps=60, space=space), progress=False)
        for space in SPACES
    }
    assert all(part.input_latent is None for space, part in found.items() if space != "w_plus_latent")
    assert torch.equal(found["w"].w_plus[:, :1].expand_as(w_plus), found["w"].w_plus)
    assert torch.equal(found["z"].w_plus[:, :1].expand_as(w_plus), found["z"].w_plus)
    assert not torch.equal(found["w_plus"].w_plus[:, 0], found["w_plus"].w_plus[:, 1])
    reached = [float(part.psnr[-1].mean()) for part in found.values()]
    assert reached == sorted(reached) and reached[3] > reached[1] + 0.5
    assert all(bool((part.psnr[-1] >= part.psnr[0]).all()) for part in found.values())


def test_a_search_in_z_stays_where_the_mapping_network_leads(generator, known):
    config = InversionConfig(steps=3, space="z")
    found = invert_images(generator, known[1], config=config, progress=False)
    z = nearest_z(generator)
    away = (generator.mapping(torch.randn(200, 16)) - generator.w_avg).square().sum(dim=1)
    assert float((generator.mapping(z) - generator.w_avg).square().sum()) <= float(away.min())
    assert not torch.equal(found.w_plus[0], found.w_plus[1])
    with pytest.raises(InputError, match="start: a search in z begins at the mean of w"):
        invert_images(generator, known[1], start=found.w_plus, config=config)
    with pytest.raises(InputError, match="space 'y' is unknown; choose one of z, w, w_plus, w_plus_latent"):
        invert_images(generator, known[1], config=InversionConfig(space="y"))


def test_the_generator_is_left_alone(generator, known):
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    invert_images(generator, known[1], config=InversionConfig(steps=2), progress=False)
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def test_schedule_rises_stays_and_falls():
    config = InversionConfig(steps=100, learning_rate=1.0)
    rates = [rate_at(step, config) for step in range(100)]
    assert rates[0] < 0.2 and rates[50] == 1.0 and rates[-1] < 0.01 and max(rates) == 1.0


def test_bad_input_is_named(generator, identity_network, known):
    with pytest.raises(InputError, match=r"targets: expected shape \[B, 3, 32, 32\]"):
        invert_images(generator, torch.zeros(1, 3, 16, 16))
    with pytest.raises(InputError, match=r"start: expected shape \[2, 8, 16\]"):
        invert_images(generator, known[1], start=known[0][:, :3], progress=False)
    with pytest.raises(InputError, match="no term is called 'lpips'; there are: l2"):
        Reconstruction(known[1], weights={"lpips": 1.0})
    with pytest.raises(InputError, match="Sketches and label maps"):
        Guidance(torch.zeros(2, 1, 8, 8))
    with pytest.raises(InputError, match="belong together"):
        Guidance(torch.zeros(2, 3, 8, 8), known[1])
    with pytest.raises(InputError, match="at least one"):
        invert_images(generator, known[1], config=InversionConfig(steps=0), progress=False)
    with pytest.raises(InputError, match="targets hold values from nan to nan"):
        invert_images(generator, known[1] * torch.nan, config=InversionConfig(steps=2), progress=False)
    with pytest.raises(InputError, match="no number at step 0"):
        nowhere = known[0] * torch.nan
        invert_images(generator, known[1], start=nowhere, config=InversionConfig(steps=2), progress=False)
