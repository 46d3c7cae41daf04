"""The critic: what a step of it changes, whom its term teaches, exact resume, and who may not go without it."""

from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator

from idnb.core.errors import InputError
from idnb.core.presets import TINY
from idnb.faces.real_images import RealImages
from idnb.faces.sources import load_faces
from idnb.training.critic import Critic, build_critic
from idnb.training.losses import LossWeights
from idnb.training.parallel import average_gradients
from idnb.training.run import EncoderRun, train_encoder
from tests.encoder_run import config, parts


def real_pictures(count: int = 12) -> RealImages:
    """Noise with a bright half."""
    pixels = torch.randint(0, 60, (count, 128, 128, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pixels[:, :, 64:] += 150
    return RealImages(pixels)


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)


def test_it_learns_to_tell_and_teaches_the_pictures_alone(accelerator):
    critic, random = Critic(real_pictures()), torch.Generator().manual_seed(1)
    pictures = (torch.rand(4, 3, 128, 128, generator=random) - 1).requires_grad_()
    first = critic(pictures, random, accelerator)
    first.backward()
    assert pictures.grad is not None and pictures.grad.abs().max() > 0
    frozen = {k: v.clone() for k, v in critic.network.state_dict().items() if not k.startswith("heads")}
    before = [p.clone() for p in critic.heads]
    for _ in range(5):
        last = critic(pictures, random, accelerator)
    last.backward()
    assert last > 1.5 * first  # to the encoder things look worse as the critic learns
    assert any(not torch.equal(a, b) for a, b in zip(before, critic.heads, strict=True))
    assert all(torch.equal(v, critic.network.state_dict()[k]) for k, v in frozen.items())


def test_the_encoders_gradient_does_not_reach_the_critic(accelerator):
    critic, random = Critic(real_pictures()), torch.Generator().manual_seed(1)
    pictures = torch.zeros(2, 3, 128, 128, requires_grad=True)
    term = critic(pictures, random, accelerator)
    kept = [None if p.grad is None else p.grad.clone() for p in critic.heads]
    (1e6 * term).backward()
    for before, parameter in zip(kept, critic.heads, strict=True):
        assert before is not None and torch.equal(before, parameter.grad)


def test_the_slope_is_that_of_finite_differences():
    critic = Critic(real_pictures())
    critic.network.eval()  # spectral norms keep their vectors
    projected = [x.double() for x in critic.network.project(torch.zeros(1, 3, 128, 128))]
    critic.network.heads.double()
    random = torch.Generator().manual_seed(0)
    direction = [torch.randn(x.shape, generator=random, dtype=torch.float64) for x in projected]
    given = [x.clone().requires_grad_() for x in projected]
    gradient = torch.autograd.grad(critic.network(given).sum(), given)
    ahead, behind = (
        critic.network([x + s * 1e-5 * d for x, d in zip(projected, direction, strict=True)]).sum() for s in (1, -1)
    )
    along = sum((g * d).sum() for g, d in zip(gradient, direction, strict=True))
    torch.testing.assert_close((ahead - behind) / 2e-5, along, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(critic.network.gradient_penalty(projected), sum(g.square().sum() for g in gradient))


def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path, accelerator):
    def run(name: str, images: int):
        encoder, generator, data, loss = parts()
        loss.weights = LossWeights(realism=0.1)
        settings = config(images)
        return train_encoder(
            encoder, generator, data, loss, settings, tmp_path / name, accelerator, critic=Critic(real_pictures())
        )

    whole = run("whole", 8)
    run("parts", 6)
    part = run("parts", 8)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), part.parameters(), strict=True))
    a, b = (torch.load(tmp_path / n / "checkpoint.pt", weights_only=True)["critic"] for n in ("whole", "parts"))
    assert a["steps"] == b["steps"] and not any(key.startswith("features.") for key in a["weights"])
    assert all(torch.equal(value, b["weights"][key]) for key, value in a["weights"].items())
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert float(log[1].split(",")[log[0].split(",").index("realism")]) > 0


def test_a_weight_and_a_critic_belong_together(accelerator):
    encoder, generator, data, loss = parts()
    with pytest.raises(InputError, match="realism: a weight above 0 and a critic"):
        EncoderRun(encoder, generator, data, loss, config(4), accelerator, Critic(real_pictures()))
    loss.weights = LossWeights(realism=0.1)
    with pytest.raises(InputError, match="realism: a weight above 0 and a critic"):
        EncoderRun(encoder, generator, data, loss, config(4), accelerator)


def test_real_pictures_of_several_sets():
    sets = [load_faces("test").select([3, 4]), load_faces("starter").select([0])]
    critic = build_critic(sets, TINY, seed=1)
    assert len(critic.real) == 12 and critic.size == 128
    stored = {picture.numpy().tobytes() for picture in critic.real.pixels}
    for faces in sets:
        for picture in faces.pixels(range(4)):
            assert picture.tobytes() in stored
    with pytest.raises(InputError, match="makes faces of 64 px, and it needs 128"):
        build_critic(sets, replace(TINY, image_size=64), seed=1)


def test_gradients_are_averaged_over_processes():
    class Two:
        num_processes = 2

        def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
            assert how == "mean"
            return (tensor + 2) / 2  # the other process has a gradient of 2 everywhere

    one, none = (torch.nn.Parameter(torch.zeros(2)) for _ in range(2))
    one.grad = torch.tensor([4.0, 0.0])
    average_gradients([one, none], Two())
    assert one.grad.tolist() == [3.0, 1.0] and none.grad.tolist() == [1.0, 1.0]
