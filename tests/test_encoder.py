"""The dual encoder: shapes, equation 2 by hand, the average face at the start, gradients, caching, bad input."""

import pytest
import torch

import idnb
from idnb.core.errors import InputError
from idnb.core.presets import PAPER, TINY
from idnb.models.contour_encoder import Latents, identity_tensors, map_identity
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.encoder_files import load_encoder
from idnb.models.fusion import IFM, IFBlock, Modulation, StyleHead, modulate
from idnb.models.stylegan2 import Generator

SHAPES = {"low_res": (3, 8, 8), "sketch": (1, 64, 64), "label_map": (64, 64)}


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator.from_preset(TINY).eval().requires_grad_(False)


def a_contour(kind: str, batch: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    if kind == "label_map":
        return torch.randint(0, 19, (batch, *SHAPES[kind]), generator=random)
    return torch.rand(batch, *SHAPES[kind], generator=random)


def awake(encoder: IdentityGuidedEncoder) -> IdentityGuidedEncoder:
    """Give the zero-initialised heads weights, so that something arrives at the generator."""
    torch.manual_seed(5)
    torch.nn.init.normal_(encoder.style_head.weight, std=0.02)
    if encoder.latent_head is not None:
        torch.nn.init.normal_(encoder.latent_head.weight, std=0.02)
    return encoder


def test_equation_2_by_hand():
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    gamma = torch.tensor([[[[2.0, 0.5], [1.0, -1.0]]]])
    beta = torch.tensor([[[[0.0, 1.0], [-3.0, 0.5]]]])
    assert modulate(features, gamma, beta).tolist() == [[[[2.0, 2.0], [0.0, -3.5]]]]


def test_modulation_is_a_tensor_with_one_value_a_place():
    torch.manual_seed(0)
    features = torch.randn(2, 6, 8, 8)
    gamma, beta = IFM(6, 4, 5)(features)
    assert gamma.shape == beta.shape == (2, 4, 8, 8)
    assert gamma.flatten(2).std(dim=2).min() > 0
    assert abs(gamma.mean() - 1) < 0.2 and abs(beta.mean()) < 0.2
    gamma, beta = IFM(6, 4, 5, spatial=False)(features)
    assert gamma.shape == beta.shape == (2, 4, 1, 1)


def test_a_block_applies_equation_2_after_each_bottleneck():
    torch.manual_seed(0)
    block = IFBlock(3, 4, 2, 6, 5)
    x, features = torch.randn(2, 3, 8, 8), torch.randn(2, 6, 4, 4)
    (gamma_1, beta_1), (gamma_2, beta_2) = block.modulations(features)
    first, second = block.bottlenecks
    by_hand = gamma_1 * first(x) + beta_1
    by_hand = gamma_2 * second(by_hand) + beta_2
    torch.testing.assert_close(block(x, features), by_hand)
    assert torch.equal(block.fuse(x, block.modulations(features)), block(x, features))
    torch.testing.assert_close(block.fuse(x), second(first(x)))


def test_identities_are_mapped_tensor_by_tensor():
    one = [[Modulation(torch.ones(1), torch.zeros(1))], [Modulation(torch.full((1,), 3.0), torch.ones(1))]]
    mean = map_identity(lambda a, b: (a + b) / 2, one, map_identity(lambda part: 3 * part, one))
    assert isinstance(mean[1][0], Modulation) and mean[1][0].gamma == 6
    assert torch.cat(identity_tensors(mean)).tolist() == [2, 0, 6, 2]
    assert identity_tensors(torch.ones(2))[0].tolist() == map_identity(torch.neg, -torch.ones(2)).tolist() == [1, 1]
    with pytest.raises(ValueError, match="zip"):
        map_identity(torch.add, one, one[:1])


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("modulation", ["tensor", "vector", "none"])
def test_untrained_encoder_gives_the_average_face(generator, kind, modulation):
    encoder = IdentityGuidedEncoder(kind, TINY, modulation).eval()
    result = encoder.generate(generator, a_contour(kind, 2), torch.rand(2, 3, 128, 128) * 2 - 1, steps=2)
    assert result.images.shape == (2, 2, 3, 128, 128)
    assert result.w_plus.shape == (2, 2, 12, 256)
    assert result.input_latent is not None and result.input_latent.shape == (2, 2, 256, 4, 4)
    average = generator.synthesis(generator.to_w_plus(generator.w_avg[None]).expand(2, -1, -1))
    assert torch.equal(result.images[:, 0], average) and torch.equal(result.images[:, 1], average)


def test_without_input_latent(generator):
    encoder = IdentityGuidedEncoder("sketch", TINY, input_latent=False).eval()
    result = encoder.generate(generator, a_contour("sketch", 1), torch.zeros(1, 3, 64, 64), steps=1)
    assert result.input_latent is None
    assert not any(key.startswith("latent_head") for key in encoder.state_dict())


@pytest.mark.parametrize("modulation", ["tensor", "none"])
def test_an_encoder_that_is_told_of_nobody_is_the_same_network(generator, modulation):
    torch.manual_seed(0)
    guided, alone = (
        awake(IdentityGuidedEncoder("low_res", TINY, modulation, uses_identity=used).eval()) for used in (True, False)
    )
    alone.load_state_dict(guided.state_dict())
    x_c, people = a_contour("low_res", 2), torch.rand(2, 3, 64, 64) * 2 - 1
    seen, unseen = (encoder.generate(generator, x_c, people, steps=1).w_plus for encoder in (guided, alone))
    nobody = guided.generate(generator, x_c, torch.zeros(2, 3, 64, 64), steps=1).w_plus
    assert torch.equal(unseen, nobody) and not torch.allclose(seen, unseen, atol=1e-4)


def test_cached_identity_equals_forward(generator):
    encoder = awake(IdentityGuidedEncoder("low_res", TINY).eval())
    contour, x_id = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    code, y_hat = encoder.start(generator, 2)
    step = encoder(contour, x_id, y_hat, code)
    again = encoder.refine(contour, encoder.encode_identity(x_id), y_hat, code)
    assert torch.equal(step.w_plus, again.w_plus) and torch.equal(step.input_latent, again.input_latent)


@pytest.mark.parametrize("kind", SHAPES)
def test_both_pictures_and_the_feedback_matter(generator, kind):
    encoder = awake(IdentityGuidedEncoder(kind, TINY).eval())
    x_c, x_id = a_contour(kind, 2), torch.rand(2, 3, 64, 64) * 2 - 1
    base = encoder.generate(generator, x_c[:1], x_id[:1], steps=2)
    other_identity = encoder.generate(generator, x_c[:1], x_id[1:], steps=2)
    other_contour = encoder.generate(generator, x_c[1:], x_id[:1], steps=2)
    for other in (other_identity, other_contour):
        assert (base.images - other.images).abs().max() > 1e-4
    first, second = base.w_plus[0]
    assert not torch.allclose(second - first, first - generator.w_avg, atol=1e-6)


def test_one_contour_for_many_identities(generator):
    encoder = awake(IdentityGuidedEncoder("low_res", TINY).eval())
    x_c, x_id = a_contour("low_res", 1), torch.rand(3, 3, 64, 64) * 2 - 1
    together = encoder.generate(generator, x_c, x_id, steps=1).images
    alone = encoder.generate(generator, x_c, x_id[2:], steps=1).images
    torch.testing.assert_close(together[2:], alone, atol=1e-4, rtol=1e-4)


def test_gradients_reach_the_identity_encoder_and_not_the_generator(generator):
    encoder = awake(IdentityGuidedEncoder("label_map", TINY).train())
    encoder.load_identity(idnb.load_identity_network("tiny"))
    # Several real people: noise leaves the two hidden units of a trained squeeze-excite at zero, without gradient.
    people = idnb.load_faces("test").images(range(0, 32, 4), size=64)
    code, y_hat = encoder.start(generator, 8)
    step = encoder(torch.rand(8, 19, 64, 64), people, y_hat, code)
    generator.synthesis(step.w_plus, step.input_latent).square().mean().backward()
    frozen = []
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        else:
            frozen.append(name.split(".")[2:4])
    assert {part for part, *_ in frozen} == {"input_layer", "body"}
    assert {place for part, place in frozen if part == "body"} == {"0"}  # the first level, and no other
    learnt = IdentityGuidedEncoder("low_res", TINY, pretrained_identity=False)
    assert all(parameter.requires_grad for parameter in learnt.parameters())
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_pretrained_identity_is_taken_over_and_keeps_its_statistics():
    arcface = idnb.load_identity_network("tiny")
    encoder = IdentityGuidedEncoder("low_res", TINY)
    encoder.load_identity(arcface)
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    wanted = arcface.forward_features(faces)
    found = encoder.train().identity_encoder(faces)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)
    assert [a.shape[-1] for a in found] == [32, 16, 8, 4]
    learnt = IdentityGuidedEncoder("low_res", TINY, pretrained_identity=False).train()
    before = learnt.identity_encoder.network.input_layer[1].running_mean.clone()
    learnt.identity_encoder(faces)
    assert not torch.equal(before, learnt.identity_encoder.network.input_layer[1].running_mean)


def test_style_head_starts_at_zero_and_has_a_row_for_each_style():
    head = StyleHead(6, 12, 8)
    x = torch.randn(3, 6, 4, 4)
    assert torch.equal(head(x), torch.zeros(3, 12, 8))
    torch.nn.init.normal_(head.weight)
    by_hand = torch.nn.functional.leaky_relu((x.flatten(2) * head.places[7]).sum(2), 0.2) @ head.weight[7]
    torch.testing.assert_close(head(x)[:, 7], by_hand)


def test_paper_sizes():
    with torch.device("meta"):
        encoder = IdentityGuidedEncoder("low_res", PAPER)
        code = Latents(torch.empty(1, 18, 512), torch.empty(1, 512, 4, 4))
        step = encoder(torch.empty(1, 3, 256, 256), torch.empty(1, 3, 256, 256), torch.empty(1, 3, 256, 256), code)
    assert step.w_plus.shape == (1, 18, 512)
    assert step.input_latent.shape == (1, 512, 4, 4)


def test_bundled_encoders_stay_small():
    for kind in SHAPES:
        assert sum(p.numel() for p in IdentityGuidedEncoder(kind, TINY).parameters()) < 5.2e6


def test_bad_input(generator):
    encoder = IdentityGuidedEncoder("low_res", TINY).eval()
    x_c, x_id = a_contour("low_res", 2), torch.zeros(2, 3, 64, 64)
    for steps in (0, 21, 2.5, True):
        with pytest.raises(InputError, match="whole number from 1 to 20"):
            encoder.generate(generator, x_c, x_id, steps=steps)
    with pytest.raises(InputError, match="x_c has 2 entries and x_id 3"):
        encoder.generate(generator, x_c, torch.zeros(3, 3, 64, 64))
    with pytest.raises(InputError, match=r"expected \[B, 3, H, H\].*align"):
        encoder.generate(generator, x_c, torch.zeros(2, 3, 64, 32))
    with pytest.raises(InputError, match="a low_res contour is float"):
        encoder.generate(generator, torch.zeros(2, 1, 8, 8), x_id)
    small = Generator.from_preset(TINY, 64)
    with pytest.raises(InputError, match="the generator of the same preset"):
        encoder.generate(small, x_c, x_id)
    with pytest.raises(InputError, match="modulation 'both' is unknown"):
        IdentityGuidedEncoder("low_res", TINY, modulation="both")
    with pytest.raises(InputError, match=r"y_hat: expected shape \[2, 3, 64, 64\]"):
        code, _ = encoder.start(generator, 2)
        encoder(torch.zeros(2, 3, 64, 64), x_id, torch.zeros(2, 3, 32, 32), code)


def test_loading_names_the_fault(tmp_path):
    with pytest.raises(InputError, match="no contour is called 'photo'"):
        load_encoder(kind="photo")
    with pytest.raises(InputError, match="no encoder of preset 'paper' is bundled"):
        load_encoder("paper")
    with pytest.raises(InputError, match="no such file"):
        load_encoder(path=tmp_path / "nothing.pt")
    foreign = tmp_path / "checkpoint.pt"
    torch.save({"step": 1}, foreign)
    with pytest.raises(InputError, match="not a checkpoint of `idnb train encoder`"):
        load_encoder(path=foreign)
