"""The generator equals a slow reference, forward and backward, and takes W+ codes, input latents and noise."""

import pytest
import stylegan2_reference as reference
import torch

from idnb.core.errors import InputError
from idnb.core.presets import PAPER, TINY, get_preset
from idnb.models.stylegan2 import Generator, mix_styles
from idnb.models.stylegan2_layers import ModulatedConv, NoiseInjection, add_noise, blur, upsample


def make_generator(size=32, style_dim=16, depth=3, channels=(16, 24, 16, 8)):
    """A small generator in which every parameter matters: biases and noise strengths are not zero."""
    torch.manual_seed(0)
    generator = Generator(size, style_dim, depth, channels)
    for name, parameter in generator.named_parameters():
        if name.endswith("bias") or name.endswith("noise.weight"):
            torch.nn.init.normal_(parameter, 1.0 if "modulation" in name else 0.0, 0.3)
    generator.w_avg.normal_(0, 0.2)
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def generator():
    return make_generator()


@pytest.fixture(scope="module")
def codes(generator):
    return torch.randn(3, generator.n_styles, generator.style_dim, generator=torch.Generator().manual_seed(1))


def test_forward_equals_the_reference(generator, codes):
    expected = reference.synthesis(generator, codes.double())
    assert (generator.synthesis(codes) - expected).abs().max() < 1e-4


def test_forward_with_noise_and_input_latent_equals_the_reference(generator, codes):
    noise = generator.random_noise(3, torch.Generator().manual_seed(2))
    latent = torch.randn(3, 16, 4, 4, generator=torch.Generator().manual_seed(3))
    expected = reference.synthesis(generator, codes.double(), latent.double(), noise)
    assert (generator.synthesis(codes, latent, noise) - expected).abs().max() < 1e-4


def test_gradients_to_the_latents_equal_the_reference(generator, codes):
    latent = torch.randn(3, 16, 4, 4, generator=torch.Generator().manual_seed(3))
    weight = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    gradients = []
    for synthesis, dtype in ((generator.synthesis, torch.float32), (reference.synthesis, torch.float64)):
        inputs = [codes.to(dtype, copy=True).requires_grad_(), latent.to(dtype, copy=True).requires_grad_()]
        images = synthesis(*inputs) if dtype == torch.float32 else synthesis(generator, *inputs)
        gradients.append(torch.autograd.grad((images * weight).sum(), inputs))
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_the_structure_of_1024_px_equals_the_reference():
    """Nine resolutions and 18 rows as in the public checkpoint, narrow channels for speed."""
    narrow = make_generator(1024, 16, 8, (8, 8, 8, 8, 8, 6, 4, 3, 2))
    codes = torch.randn(1, 18, 16, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        image = narrow.synthesis(codes)
    difference = image - reference.synthesis(narrow, codes.double())
    assert difference.abs().max() < 1e-4


def test_the_real_channels_of_the_first_resolutions_equal_the_reference():
    generator = Generator.from_preset(PAPER, size=32).eval().requires_grad_(False)
    w_plus = generator.to_w_plus(generator.mapping(torch.randn(1, 512, generator=torch.Generator().manual_seed(0))))
    image = generator.synthesis(w_plus)
    assert (image - reference.synthesis(generator, w_plus.double())).abs().max() < 1e-4


def test_mapping_and_truncation_equal_the_reference(generator):
    z = torch.randn(5, 16, generator=torch.Generator().manual_seed(6))
    expected = reference.mapping(generator, z.double())
    assert torch.allclose(generator.mapping(z).double(), expected, atol=1e-6)
    truncated = generator.mapping(z, truncation_psi=0.7).double()
    mean = generator.w_avg.double()
    assert torch.allclose(truncated, mean + 0.7 * (expected - mean), atol=1e-6)
    assert torch.equal(generator.mapping(z, truncation_psi=0.0), generator.w_avg.expand(5, -1))


def test_input_latent_equal_to_the_constant_changes_no_bit(generator, codes):
    latent = generator.input.input.repeat(3, 1, 1, 1)
    assert torch.equal(generator.synthesis(codes), generator.synthesis(codes, input_latent=latent))


def test_noise_is_fixed_unless_given(generator, codes):
    plain = generator.synthesis(codes)
    assert torch.equal(plain, generator.synthesis(codes))
    repeated = [n.repeat(3, 1, 1, 1) for n in generator.fixed_noise()]
    assert torch.allclose(plain, generator.synthesis(codes, noise=repeated), atol=1e-6)
    assert not torch.allclose(plain, generator.synthesis(codes, noise=generator.random_noise(3)), atol=1e-3)


def test_samples_of_a_batch_do_not_touch_each_other(generator, codes):
    together = generator.synthesis(codes)
    alone = torch.cat([generator.synthesis(code[None]) for code in codes])
    assert torch.allclose(together, alone, atol=1e-5)
    with torch.no_grad():  # here the scales of a single sample go onto the weights
        looked_at = torch.cat([generator.synthesis(code[None]) for code in codes])
    assert torch.allclose(together, looked_at, atol=1e-5)


def test_style_mixing_takes_rows(generator):
    coarse, fine = torch.zeros(2, 8, 16), torch.ones(2, 8, 16)
    assert mix_styles(coarse, fine, 3).mean(dim=(0, 2)).tolist() == [0.0] * 3 + [1.0] * 5
    with pytest.raises(InputError, match="crossover"):
        mix_styles(coarse, fine, 9)


def test_stages_are_the_steps_of_synthesis(generator, codes):
    stages = list(generator.stages(codes))
    assert [stage.resolution for stage in stages] == [4, 8, 16, 32]
    assert [tuple(stage.features.shape[1:]) for stage in stages] == [(16, 4, 4), (24, 8, 8), (16, 16, 16), (8, 32, 32)]
    assert torch.equal(stages[-1].rgb, generator.synthesis(codes))


def test_bfloat16_stays_close(generator, codes):
    exact = generator.synthesis(codes)
    try:
        generator.compute_dtype = torch.bfloat16
        rough = generator.synthesis(codes)
        with torch.no_grad():
            single = generator.synthesis(codes[:1])
    finally:
        generator.compute_dtype = torch.float32
    assert rough.dtype == torch.float32
    assert (rough - exact).square().mean().sqrt() < 0.03 * exact.std()
    assert (single - exact[:1]).square().mean().sqrt() < 0.03 * exact.std()


def test_average_w_is_seeded(generator):
    twin = make_generator()
    first = twin.estimate_w_avg(3000, seed=1).clone()
    assert torch.equal(first, twin.estimate_w_avg(3000, seed=1))
    z = torch.randn(3000, 16, generator=torch.Generator().manual_seed(9))
    assert torch.allclose(first, twin.style(z).mean(dim=0), atol=0.25)


def test_bad_shapes_are_named(generator, codes):
    with pytest.raises(InputError, match=r"w_plus: expected shape \[B, 8, 16\], got \[3, 16\]"):
        generator.synthesis(codes[:, 0])
    with pytest.raises(InputError, match="input_latent"):
        generator.synthesis(codes, input_latent=torch.zeros(1, 16, 4, 4))
    with pytest.raises(InputError, match="noise: expected 7"):
        generator.synthesis(codes, noise=[])
    with pytest.raises(InputError, match="size"):
        Generator(64, 16, 2, (8, 8, 8))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_noise_is_the_same_in_every_channel(layout):
    random = torch.Generator().manual_seed(7)
    x = torch.randn(2, 5, 6, 7, generator=random).contiguous(memory_format=layout)
    strength = torch.tensor([0.3], requires_grad=True)
    for noise in (torch.randn(1, 1, 6, 7, generator=random), torch.randn(2, 1, 6, 7, generator=random)):
        noisy = add_noise(x.clone(), noise, strength)
        assert torch.allclose(noisy, x + 0.3 * noise, atol=1e-6)
        (gradient,) = torch.autograd.grad(noisy.sum(), strength)
        assert torch.allclose(gradient, 5 * noise.expand(2, -1, -1, -1).sum(), rtol=1e-4)


def test_noise_injection_adds_its_share():
    layer, x, noise = NoiseInjection(), torch.ones(2, 3, 4, 4), torch.full((1, 1, 4, 4), 5.0)
    assert torch.equal(layer(x.clone(), noise), x)  # nothing at first
    layer.weight.data.fill_(0.1)
    torch.testing.assert_close(layer(x.clone(), noise, 2.0), x + 1.0)


@pytest.mark.parametrize("up", [False, True])
def test_a_modulated_convolution_is_equations_1_to_3(up):
    """By hand, with a weight for each sample, as the paper writes it."""
    torch.manual_seed(0)
    conv = ModulatedConv(4, 5, 3, 6, up)
    x, w = torch.randn(2, 4, 8, 8), torch.randn(2, 6)
    expected = []
    for sample, s in zip(x, conv.modulation(w), strict=True):
        weight = conv.weight[0] * conv.scale * s[None, :, None, None]  # equation 1
        weight = weight / torch.sqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)  # equation 3
        expected.append(conv.convolve(sample[None], weight))
    expected = torch.cat(expected)
    torch.testing.assert_close(conv(x, w), expected)
    bias = torch.randn(5)
    torch.testing.assert_close(conv(x, w, 2.0, bias), 2.0 * expected + bias[:, None, None])
    with torch.no_grad():  # one picture takes the other way
        torch.testing.assert_close(conv(x[:1], w[:1], 2.0, bias), 2.0 * expected[:1] + bias[:, None, None])


def test_upsampling_is_a_blur_of_zero_inserted_pixels():
    x = torch.randn(1, 3, 5, 6, generator=torch.Generator().manual_seed(8)).double()
    expected = reference.filter_each(reference.zero_insert(x[0]), reference.KERNEL * 4, 2, 1)
    assert torch.allclose(upsample(x)[0], expected)
    assert torch.allclose(blur(x, 2)[0], reference.filter_each(x[0], reference.KERNEL, 2, 2))


def test_presets_hold_the_sizes():
    assert (TINY.n_styles, PAPER.n_styles) == (12, 18)
    assert PAPER.input_latent_shape == (512, 4, 4)
    assert len(TINY.generator_channels) == 6 and len(PAPER.generator_channels) == 9
    assert get_preset("tiny") is TINY
    with pytest.raises(InputError, match="tiny, paper"):
        get_preset("huge")


def test_the_public_file_has_these_many_numbers():
    with torch.device("meta"):
        generator = Generator.from_preset(PAPER)
        tiny = Generator.from_preset(TINY)
    assert sum(p.numel() for p in generator.parameters()) == 30_370_060
    assert sum(p.numel() for p in tiny.parameters()) * 2 < 12_000_000


def test_checkpointed_blocks_give_the_same_picture_and_gradient():
    generator = Generator(32, 16, 2, (8, 8, 6, 4)).requires_grad_(False)
    w_plus, latent = torch.randn(2, 8, 16, requires_grad=True), torch.randn(2, 8, 4, 4, requires_grad=True)
    results = []
    for generator.checkpoint in (False, True):
        image = generator.synthesis(w_plus, latent)
        results.append((image, *torch.autograd.grad(image.square().sum(), (w_plus, latent))))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    with torch.no_grad():
        assert torch.equal(generator.synthesis(w_plus, latent), results[0][0])
