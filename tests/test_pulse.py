"""PULSE: the mapped space and its inverse, the sphere, GEOCROSS by hand, the search, its answer and its verdict."""

import math
from dataclasses import replace

import pytest
import torch

from idnb.core.errors import InputError
from idnb.core.resize import resize
from idnb.evaluation import methods
from idnb.inversion.pulse import (
    InputSpace,
    MappedSpace,
    PulseConfig,
    before_activation,
    geocross,
    onto_sphere,
    pulse,
    rate_factor,
)
from idnb.models.identity import IdentityNetwork, IdentitySize
from idnb.models.stylegan2 import Generator


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    made = Generator(32, 16, 2, (16, 16, 12, 8)).eval().requires_grad_(False)
    for conv in (made.conv1, *made.convs):
        conv.noise.weight.fill_(0.1)
    return made


@pytest.fixture(scope="module")
def space(generator):
    return MappedSpace.fit(generator, samples=4000)


@pytest.fixture(scope="module")
def people(generator):
    """A contour that the generator can reach, and other people."""
    torch.manual_seed(1)
    size = IdentitySize(32, (2, 30, 2, 30), 28, 4, ((4, 1), (4, 1), (8, 1), (8, 1)), 16, 0.0, 0.2)
    network = IdentityNetwork(size).eval().requires_grad_(False)
    images = generator(torch.randn(4, 16))
    return resize(images[:2], 4, "bicubic", clamp=False).clamp(-1, 1), images[2:].clamp(-1, 1), network


def test_the_last_activation_is_undone(generator):
    z = torch.randn(5, 16)
    *first, last = generator.style
    hidden = torch.nn.Sequential(*first)(z)
    before = torch.nn.functional.linear(hidden, last.weight * last.scale, last.bias * last.lr_mul)
    torch.testing.assert_close(before_activation(generator.mapping(z)), before, atol=1e-5, rtol=1e-4)


def test_standard_normal_latents_become_values_spread_as_those_of_the_generator(generator, space):
    values = before_activation(generator.mapping(torch.randn(4000, 16, generator=torch.Generator().manual_seed(4))))
    latents = torch.randn(4000, 16, generator=torch.Generator().manual_seed(3))
    found = before_activation(space.to_w(latents))
    for mine, theirs in ((found, values), (latents * space.std + space.mean, values)):
        torch.testing.assert_close(mine.mean(0), theirs.mean(0), atol=0.12, rtol=0.05)
        torch.testing.assert_close(mine.std(0), theirs.std(0), atol=0.02, rtol=0.1)


def test_geocross_by_hand():
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    code = torch.stack([east, north])[None]  # two rows at a right angle
    expected = 2 * (math.pi / 2) ** 2 / 4 * 2 / 8  # two of four ordered pairs, times style_dim / 8
    torch.testing.assert_close(geocross(code), torch.tensor([expected]), atol=1e-4, rtol=1e-4)
    same = east.repeat(1, 3, 1).requires_grad_()
    value = geocross(same)
    assert value.item() < 1e-6
    value.backward()
    assert bool(same.grad.isfinite().all())


def test_the_sphere():
    latents, noise = onto_sphere(torch.randn(2, 3, 16)), onto_sphere(torch.randn(2, 1, 4, 4))
    torch.testing.assert_close(latents.norm(dim=2), torch.full((2, 3), 4.0))
    torch.testing.assert_close(noise.flatten(1).norm(dim=1), torch.full((2,), 4.0))


def test_the_schedule():
    factors = [rate_factor(step, 100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[45] == pytest.approx(1.0)
    assert factors[90] == pytest.approx(0.1) and factors[100] == pytest.approx(0.001)


def test_the_search_reaches_the_contour_and_stays_on_the_sphere(generator, space, people):
    x_c, _, _ = people
    found = pulse(generator, x_c, config=PulseConfig(steps=40), space=space, progress=False)
    assert found.converged.shape == (2,) and bool(found.converged.all())
    error = (resize(found.images, 4, "bicubic", clamp=False) - x_c).square().mean(dim=(1, 2, 3)) / 4
    assert bool((error <= 2e-3).all())
    latents = (before_activation(found.w_plus) - space.mean) / space.std
    torch.testing.assert_close(latents.norm(dim=2), torch.full((2, 8), 4.0), atol=1e-3, rtol=1e-3)
    again = generator.synthesis(found.w_plus, noise=[*found.noise, *generator.fixed_noise()[5:]])
    torch.testing.assert_close(again, found.images)


def test_there_is_an_answer_without_convergence(generator, space, people):
    x_c, _, _ = people
    config = PulseConfig(steps=3, epsilon=1e-9)
    found = pulse(generator, x_c, config=config, space=space, progress=False)
    assert not bool(found.converged.any()) and found.images.shape == (2, 3, 32, 32)
    total = sum(found.terms.values())
    assert total.shape == (4, 2) and bool((total[-1] <= total.min(dim=0).values + 1e-3).all())


def test_a_converged_face_goes_before_a_cheaper_one(generator, space, people):
    x_c, x_id, network = people
    config = PulseConfig(steps=25, weight_identity=1e4)  # identity alone would win
    found = pulse(generator, x_c, x_id, network, config, space, progress=False)
    loose = pulse(generator, x_c, x_id, network, PulseConfig(steps=5, epsilon=10.0), space, progress=False)
    assert bool(loose.converged.all())
    reached = found.converged
    assert bool((found.terms["contour"][-1][reached] <= 0.2 + 1e-6).all())


def test_identity_pulls(generator, space, people):
    x_c, x_id, network = people
    alike = []
    for weight in (0.0, 20.0):
        config = PulseConfig(steps=15, weight_identity=weight)
        found = pulse(generator, x_c, x_id, network, config, space, progress=False)
        alike.append(float((network(found.images) * network(x_id)).sum(1).mean()))
    assert alike[1] > alike[0]


def test_seeds_count_and_batches_do_not_mix(generator, space, people):
    x_c, _, _ = people

    def run(**settings):
        return pulse(generator, x_c, config=PulseConfig(steps=4, **settings), space=space, progress=False)

    assert torch.equal(run(seed=0).images, run(seed=0).images)
    assert not torch.allclose(run(seed=0).images, run(seed=1).images)
    torch.testing.assert_close(run(batch=1).images, run().images, atol=1e-3, rtol=1e-3)


def test_one_row_for_all_layers(generator, space, people):
    found = pulse(
        generator, people[0], config=PulseConfig(steps=3, tiled=True, noise_maps=0), space=space, progress=False
    )
    assert "geocross" not in found.terms and found.noise is None
    torch.testing.assert_close(found.w_plus, found.w_plus[:, :1].expand(-1, 8, -1))
    torch.testing.assert_close(generator.synthesis(found.w_plus), found.images)


def test_bad_input_is_named(generator, space, people):
    with pytest.raises(InputError, match="Sketches and label maps"):
        pulse(generator, torch.zeros(1, 8, 8), space=space)
    with pytest.raises(InputError, match="belong together"):
        pulse(generator, people[0], people[1], space=space)
    with pytest.raises(InputError, match="noise_maps: 8; the generator has 7"):
        pulse(generator, people[0], config=PulseConfig(noise_maps=8), space=space)
    with pytest.raises(InputError, match="at least one"):
        pulse(generator, people[0], config=PulseConfig(steps=0), space=space)


def test_in_z_one_vector_is_led_through_the_mapping_network(generator, people):
    x_c, x_id, network = people
    space = InputSpace(generator)
    z = torch.randn(3, 1, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(space.to_w(z)[:, 0], generator.mapping(z[:, 0]))
    config = PulseConfig(steps=30, tiled=True)
    found = pulse(generator, x_c, x_id, network, config, space, progress=False)
    assert bool((found.w_plus == found.w_plus[:, :1]).all()), "one row for all"
    assert "geocross" not in found.terms
    contour = found.terms["contour"]
    assert bool((contour[-1] < contour[0]).all()), "the search has found nothing"
    with pytest.raises(InputError, match="tiled=True"):
        pulse(generator, x_c, space=space)


def test_each_variant_changes_what_its_name_says(monkeypatch, generator, people):
    seen = {}

    def record(generator, x_c, x_id, network, config, space, progress):
        seen[name] = config, type(space)
        return pulse(generator, x_c, config=PulseConfig(steps=1), space=MappedSpace.fit(generator, 100), progress=False)

    monkeypatch.setattr("idnb.inversion.pulse.pulse", record)
    for name in methods.PULSES:
        methods.load_method(name).generate(generator, people[0], people[1])
    plain = PulseConfig(batch=2)
    assert seen == {
        "pulse": (plain, MappedSpace),
        "pulse_without_identity": (replace(plain, weight_identity=0.0), MappedSpace),
        "pulse_in_w": (replace(plain, tiled=True), MappedSpace),
        "pulse_in_z": (replace(plain, tiled=True), InputSpace),
        "pulse_20_steps": (replace(plain, steps=20), MappedSpace),
    }
