"""The system at the paper's size, on files in the public formats: load, forward, backward, one optimiser step."""

import math

import pytest
import torch

from idnb.core.presets import PAPER
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.identity_files import load_identity_network
from idnb.models.stylegan2_files import load_generator
from idnb.training.config import EncoderConfig, Phase
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import PairData
from idnb.training.run import EncoderRun
from tests.public_files import write_ir_se50, write_stylegan2

pytestmark = pytest.mark.slow


class Pixels(torch.nn.Module):
    """Stands in for LPIPS, whose backbone is a download: images a, b to [B]."""

    def forward(self, a, b):
        return (a - b).abs().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    path = write_stylegan2(tmp_path_factory.mktemp("g") / "stylegan2-ffhq-config-f.pt")
    assert 132.6e6 < path.stat().st_size < 132.9e6  # the public file has 132,729,083 bytes
    generator = load_generator("paper", path=path, dtype=torch.float32)
    assert (generator.size, generator.n_styles, generator.channels) == (1024, 18, PAPER.generator_channels)
    assert sum(p.numel() for p in generator.parameters()) == 30_370_060
    return generator


@pytest.fixture(scope="module")
def arcface(tmp_path_factory):
    path = write_ir_se50(tmp_path_factory.mktemp("i") / "model_ir_se50.pth")
    assert 174e6 < path.stat().st_size < 177e6  # the public file has 175 MB
    return load_identity_network("paper", path=path)


def one_pair(kind: str) -> PairData:
    photos = torch.randint(0, 256, (2, 3, 256, 256), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return PairData(kind, PAPER, photos, torch.arange(2), torch.rand(2, 3, 32, 32).half())


def test_one_step_of_training_at_1024(generator, arcface):
    """The whole step: average face, identity features, one refinement, 1024 px, losses at 256 px, Adam."""
    from accelerate import Accelerator

    torch.manual_seed(2)
    encoder = IdentityGuidedEncoder("low_res", PAPER)
    encoder.load_identity(arcface)
    with torch.no_grad():
        torch.nn.init.normal_(encoder.style_head.weight, std=1e-3)
        torch.nn.init.normal_(encoder.latent_head.weight, std=1e-4)
    settings = EncoderConfig((Phase(1, 1),), batch=1, checkpoint=True)
    loss = EncoderLoss(arcface, Pixels())
    run = EncoderRun(encoder, generator, one_pair("low_res"), loss, settings, Accelerator(cpu=True))
    watched = [
        "head.weight",
        "style_head.weight",
        "latent_head.weight",
        "identity_encoder.network.body.0.res_layer.1.weight",
    ]
    before = {name: value.clone() for name, value in encoder.state_dict().items() if name in watched}
    metrics = run.run_step()
    assert all(math.isfinite(value) for value in metrics.values()) and metrics["w_norm"] > 0
    assert len(before) == len(watched)
    for name, value in before.items():
        assert not torch.equal(value, encoder.state_dict()[name]), name
    assert all(p.grad is None for p in generator.parameters())


def test_codes_and_pictures_have_the_paper_s_shapes(generator, arcface):
    encoder = IdentityGuidedEncoder("low_res", PAPER)
    encoder.load_identity(arcface)
    encoder.eval()
    generator.checkpoint = False
    x_c, x_id = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 1024, 1024) * 2 - 1
    result = encoder.generate(generator, x_c, x_id, steps=1)
    assert result.images.shape == (1, 1, 3, 1024, 1024)
    assert result.w_plus.shape == (1, 1, 18, 512) and result.input_latent.shape == (1, 1, 512, 4, 4)
    with torch.no_grad():  # both heads start at zero: the untrained encoder draws the average face, to the bit
        average = generator.synthesis(generator.to_w_plus(generator.w_avg[None]).contiguous())
    assert torch.equal(result.images[:, 0], average)
