"""The identity networks: sizes, the public file, the crop, the margin, and the judge kept out of every loss."""

import math

import pytest
import torch
import torch.nn.functional as F

from idnb.core.errors import InputError
from idnb.models.embedder import frame_to_input
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.models.identity_files import load_identity_network
from idnb.models.judge import JudgeNetwork
from idnb.pretraining.margin import ArcFaceHead, CosFaceHead, add_angular_margin


def public_state() -> dict[str, torch.Tensor]:
    """Random weights under the names and shapes of the public IR-SE50 file, written out from its description."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {"input_layer.0.weight": (64, 3, 3, 3), "input_layer.2.weight": (64,)}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (channels,)

    norm("input_layer.1", 64)
    inside = 64
    for unit in range(24):
        d = 64 if unit < 3 else 128 if unit < 7 else 256 if unit < 21 else 512
        base = f"body.{unit}.res_layer"
        norm(f"{base}.0", inside)
        shapes[f"{base}.1.weight"] = (d, inside, 3, 3)
        shapes[f"{base}.2.weight"] = (d,)
        shapes[f"{base}.3.weight"] = (d, d, 3, 3)
        norm(f"{base}.4", d)
        shapes[f"{base}.5.fc1.weight"] = (d // 16, d, 1, 1)
        shapes[f"{base}.5.fc2.weight"] = (d, d // 16, 1, 1)
        if unit in (3, 7, 21):
            shapes[f"body.{unit}.shortcut_layer.0.weight"] = (d, inside, 1, 1)
            norm(f"body.{unit}.shortcut_layer.1", d)
        inside = d
    norm("output_layer.0", 512)
    shapes["output_layer.3.weight"], shapes["output_layer.3.bias"] = (512, 25088), (512,)
    norm("output_layer.4", 512)
    return {
        name: torch.rand(shape) + 0.5 if name.endswith("running_var") else 0.05 * torch.randn(shape)
        for name, shape in shapes.items()
    }


def test_public_file_loads_as_it_is(tmp_path):
    state = public_state()
    trainable = sum(v.numel() for k, v in state.items() if "running" not in k)
    assert trainable == 43_797_696
    torch.save(state, tmp_path / "model_ir_se50.pth")
    network = load_identity_network("paper", path=tmp_path / "model_ir_se50.pth")
    assert sum(p.numel() for p in network.parameters()) == 43_797_696
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    for name, value in state.items():
        assert torch.equal(network.state_dict()[name], value), name
    with torch.inference_mode():
        z = network(torch.rand(1, 3, 256, 256) * 2 - 1)
    assert z.shape == (1, 512) and torch.allclose(z.norm(dim=1), torch.ones(1), atol=1e-5)


def test_foreign_and_broken_files_are_named(tmp_path):
    state = public_state()
    del state["body.5.res_layer.1.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(InputError, match=r"less\.pth.*1 entries missing \(first: body\.5\.res_layer\.1\.weight\)"):
        load_identity_network("paper", path=tmp_path / "less.pth")
    page = tmp_path / "page.pth"
    page.write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(InputError, match=r"page\.pth: an HTML page"):
        load_identity_network("paper", path=page)
    whole = (tmp_path / "less.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.pth: a truncated PyTorch file"):
        load_identity_network("paper", path=tmp_path / "cut.pth")
    with pytest.raises(InputError, match="choose one of tiny, paper"):
        load_identity_network("huge")


def test_paper_stages_and_features():
    size = IDENTITY_SIZES["paper"]
    network = IdentityNetwork(size).eval()
    assert network.stage_ends == [2, 6, 20, 23]
    with torch.inference_mode():
        maps = network.forward_features(torch.rand(1, 3, 256, 256))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 128, 128), (128, 64, 64), (256, 32, 32), (512, 16, 16)]


def test_units_match_the_equation_written_out():
    """One unit against the same arithmetic by hand, with the strided shortcut as a 1x1 max pool."""
    torch.manual_seed(0)
    network = IdentityNetwork(IDENTITY_SIZES["paper"]).eval()
    unit = network.body[0]
    x = torch.randn(2, 64, 10, 10)
    bn1, conv1, slope, conv2, bn2, se = unit.res_layer
    y = F.batch_norm(x, bn1.running_mean, bn1.running_var, bn1.weight, bn1.bias)
    y = F.conv2d(y, conv1.weight, padding=1)
    y = torch.where(y > 0, y, slope.weight[None, :, None, None] * y)
    y = F.conv2d(y, conv2.weight, padding=1, stride=2)
    y = F.batch_norm(y, bn2.running_mean, bn2.running_var, bn2.weight, bn2.bias)
    gate = torch.sigmoid(se.fc2.weight[:, :, 0, 0] @ torch.relu(se.fc1.weight[:, :, 0, 0] @ y.mean((2, 3)).T)).T
    assert torch.allclose(unit(x), F.max_pool2d(x, 1, 2) + y * gate[:, :, None, None], atol=1e-5)


def test_tiny_size_and_gradient():
    network = IdentityNetwork(IDENTITY_SIZES["tiny"]).eval()
    assert 2_500_000 < sum(p.numel() for p in network.parameters()) < 3_500_000
    images = torch.rand(1, 3, 128, 128, requires_grad=True)
    (network(images) * torch.randn(1, 256)).sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert [m.shape[-1] for m in network.forward_features(torch.rand(1, 3, 64, 64))] == [32, 16, 8, 4]


def test_crop_rows_and_columns():
    rows = torch.arange(256.0).view(1, 1, 256, 1).expand(1, 3, 256, 256)
    size = IDENTITY_SIZES["paper"]
    out = frame_to_input(rows, size.frame_size, size.crop, size.input_size)
    assert out.shape == (1, 3, 112, 112)
    expected = F.adaptive_avg_pool2d(rows[:, :, 35:223, 32:220], 112)
    assert torch.equal(out, expected)
    assert out[0, 0, 0, 0] == 35.5 and out[0, 0, -1, 0] == 221.5  # first and last windows average two rows each
    big = torch.rand(1, 3, 1024, 1024)
    pooled = F.avg_pool2d(big, 4)
    assert torch.allclose(
        frame_to_input(big, 256, size.crop, 112), frame_to_input(pooled, 256, size.crop, 112), atol=1e-6
    )
    with pytest.raises(InputError, match="align the face"):
        frame_to_input(torch.rand(1, 3, 60, 64), 64, size.crop, 48)


def test_margin_against_angles():
    angles = torch.tensor([0.3, 1.0, 1.5, 2.0, 2.5], dtype=torch.float64)
    assert torch.allclose(add_angular_margin(angles.cos(), 0.5), (angles + 0.5).cos(), atol=1e-6)
    seam = torch.tensor([math.pi - 0.5 - 1e-6, math.pi - 0.5 + 1e-6], dtype=torch.float64)
    values = add_angular_margin(seam.cos(), 0.5)
    assert abs(values[0] - values[1]) < 1e-5 and abs(values[0] + 1) < 1e-5
    falling = add_angular_margin(torch.linspace(0, math.pi, 500, dtype=torch.float64).cos(), 0.5)
    assert (falling.diff() < 1e-9).all()


def test_margin_gradient():
    cosine = torch.tensor([0.9, 0.3, -0.2, -0.95], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda c: add_angular_margin(c, 0.5), cosine)
    angle = cosine.detach().acos()
    gradient = torch.autograd.grad(add_angular_margin(cosine, 0.5).sum(), cosine)[0]
    by_hand = (angle + 0.5).sin() / angle.sin()  # d cos(t + m) / d cos t
    assert torch.allclose(gradient[:3], by_hand[:3], atol=1e-6) and gradient[3] == 1
    ends = torch.tensor([1.0, -1.0, 1.0000001], requires_grad=True)
    assert torch.autograd.grad(add_angular_margin(ends, 0.5).sum(), ends)[0].isfinite().all()


@pytest.mark.parametrize("head_class", [ArcFaceHead, CosFaceHead])
def test_head_loss_by_hand(head_class):
    head = head_class(2, 3, scale=4.0, margin=0.2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))
    z = F.normalize(torch.tensor([[1.0, 1.0]]), dim=1)
    c = math.cos(math.pi / 4)
    right = math.cos(math.pi / 4 + 0.2) if head_class is ArcFaceHead else c - 0.2
    terms = [math.exp(4 * right), math.exp(4 * c), math.exp(-4 * c)]
    assert head(z, torch.tensor([0])).item() == pytest.approx(-math.log(terms[0] / sum(terms)), abs=1e-5)


def test_judge_is_another_architecture():
    judge, arcface = JudgeNetwork().eval(), IdentityNetwork(IDENTITY_SIZES["tiny"])
    z = judge(torch.rand(1, 3, 128, 128))
    assert z.shape == (1, 192) and torch.allclose(z.norm(), torch.ones(()), atol=1e-5)
    assert not set(judge.state_dict()) & set(arcface.state_dict())


def test_facenet_as_a_third_opinion(tmp_path):
    facenet_pytorch = pytest.importorskip("facenet_pytorch")
    from idnb.models.facenet import load_facenet

    torch.manual_seed(0)
    theirs = facenet_pytorch.InceptionResnetV1(pretrained=None).eval()
    state = {**theirs.state_dict(), "logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}
    torch.save(state, tmp_path / "vggface2.pt")
    network = load_facenet(tmp_path / "vggface2.pt")
    images = torch.rand(1, 3, 218, 218) * 2 - 1
    with torch.inference_mode():
        expected = theirs(images[:, :, 30:190, 29:189] * 127.5 / 128)
        assert torch.allclose(network(images), expected, atol=1e-5)
    torch.save({"logits.weight": torch.zeros(1)}, tmp_path / "empty.pt")
    with pytest.raises(InputError, match="not the weights of InceptionResnetV1"):
        load_facenet(tmp_path / "empty.pt")
