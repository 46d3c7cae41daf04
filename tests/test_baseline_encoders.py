"""pSp and ReStyle: the names and arithmetic of the originals, public files in their formats, and our own additions."""

import math
import pickle

import pytest
import torch
import torch.nn.functional as F

from idnb.core.errors import InputError
from idnb.core.presets import PAPER, TINY
from idnb.core.resize import resize
from idnb.models.baselines.backbone import BackboneSize
from idnb.models.baselines.psp import PSpEncoder
from idnb.models.baselines.public import load_public_encoder
from idnb.models.baselines.restyle import ReStyleEncoder
from idnb.models.contour_encoder import Latents
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.identity import IDENTITY_SIZES, IdentityNetwork
from idnb.models.stylegan2 import Generator
from tests.test_stylegan2_files import public_state

STAGES = ((4, 2), (8, 1), (12, 2), (16, 1))  # of a small body, in the order of the real one: (64, 3), (128, 4), ...
SIZES = {"size": 32, "style_dim": 16, "mapping_depth": 3, "channels": (16, 16, 12, 8)}  # 8 styles
SIDE = 64  # of the input of small encoders: their last map has 4 x 4 places


def public_encoder_shapes(inputs, pyramid, stages=STAGES, n_styles=8, dim=16, halvings=2):
    """Names and shapes as in the public files, written from their description and not from our classes."""
    shapes = {"input_layer.0.weight": (stages[0][0], inputs, 3, 3)}
    norms, channels, index = {"input_layer.1": stages[0][0]}, stages[0][0], 0
    shapes["input_layer.2.weight"] = (stages[0][0],)
    for width, count in stages:
        for _ in range(count):
            unit = f"body.{index}"
            if channels != width:
                shapes[f"{unit}.shortcut_layer.0.weight"] = (width, channels, 1, 1)
                norms[f"{unit}.shortcut_layer.1"] = width
            norms |= {f"{unit}.res_layer.0": channels, f"{unit}.res_layer.4": width}
            shapes |= {
                f"{unit}.res_layer.1.weight": (width, channels, 3, 3),
                f"{unit}.res_layer.2.weight": (width,),
                f"{unit}.res_layer.3.weight": (width, width, 3, 3),
                f"{unit}.res_layer.5.fc1.weight": (max(width // 16, 1), width, 1, 1),
                f"{unit}.res_layer.5.fc2.weight": (width, max(width // 16, 1), 1, 1),
            }
            channels, index = width, index + 1
    for name, width in norms.items():
        shapes |= {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
        shapes[f"{name}.num_batches_tracked"] = ()
    for row in range(n_styles):
        inside = channels
        for place in range(halvings + (pyramid and row >= 3) + (pyramid and row >= 7)):
            shapes[f"styles.{row}.convs.{2 * place}.weight"] = (dim, inside, 3, 3)
            shapes[f"styles.{row}.convs.{2 * place}.bias"] = (dim,)
            inside = dim
        shapes |= {f"styles.{row}.linear.weight": (dim, dim), f"styles.{row}.linear.bias": (dim,)}
    if pyramid:
        for name, width in (("latlayer1", stages[-2][0]), ("latlayer2", stages[-3][0])):
            shapes |= {f"{name}.weight": (channels, width, 1, 1), f"{name}.bias": (channels,)}
    return shapes


def random_state(shapes, seed=0):
    """Random tensors of these shapes; variances are positive, so that outputs stay tame."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) == 4 else 1
        state[name] = torch.randn(shape, generator=random) / math.sqrt(fan_in)
        if name.endswith("running_var"):
            state[name] = state[name].abs() + 0.5
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(3)
    return state


def write_public(path, inputs, pyramid, kernels=True, counters=True, **options):
    """A small file in the public format; returns the encoder's tensors."""
    shapes = public_encoder_shapes(inputs, pyramid)
    encoder = random_state(
        {name: shape for name, shape in shapes.items() if counters or not name.endswith("num_batches_tracked")}
    )
    decoder = public_state(kernels=kernels, **SIZES)
    state = {f"encoder.{k}": v for k, v in encoder.items()} | {f"decoder.{k}": v for k, v in decoder.items()}
    mean = torch.randn(16, generator=torch.Generator().manual_seed(9))
    torch.save({"state_dict": state, "latent_avg": mean.repeat(8, 1), "opts": {"output_size": 32, **options}}, path)
    return encoder


def reference(state, x, pyramid, deltas=False):
    """The originals' arithmetic in plain functions, in eval mode."""

    def norm(name, x):
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts)

    x = F.prelu(
        norm("input_layer.1", F.conv2d(x, state["input_layer.0.weight"], padding=1)), state["input_layer.2.weight"]
    )
    maps, unit = [], 0
    for _, count in STAGES:
        for place in range(count):
            name, stride = f"body.{unit}", 2 if place == 0 else 1
            if f"{name}.shortcut_layer.0.weight" in state:
                short = norm(
                    f"{name}.shortcut_layer.1", F.conv2d(x, state[f"{name}.shortcut_layer.0.weight"], stride=stride)
                )
            else:
                short = F.max_pool2d(x, 1, stride)
            y = F.conv2d(norm(f"{name}.res_layer.0", x), state[f"{name}.res_layer.1.weight"], padding=1)
            y = F.prelu(y, state[f"{name}.res_layer.2.weight"])
            y = norm(f"{name}.res_layer.4", F.conv2d(y, state[f"{name}.res_layer.3.weight"], stride=stride, padding=1))
            gate = F.relu(F.conv2d(F.adaptive_avg_pool2d(y, 1), state[f"{name}.res_layer.5.fc1.weight"]))
            x = short + y * torch.sigmoid(F.conv2d(gate, state[f"{name}.res_layer.5.fc2.weight"]))
            unit += 1
        maps.append(x)
    levels = [maps[-1]] * 3
    if pyramid:
        for step, (name, fine) in enumerate((("latlayer1", maps[-2]), ("latlayer2", maps[-3]))):
            lateral = F.conv2d(fine, state[f"{name}.weight"], state[f"{name}.bias"])
            large = F.interpolate(levels[step], size=fine.shape[-2:], mode="bilinear", align_corners=True)
            levels[step + 1] = large + lateral
    rows = []
    for row in range(8):
        y, place = levels[(row >= 3) + (row >= 7)], 0
        while y.shape[-1] > 1:
            name = f"styles.{row}.convs.{2 * place}"
            y = F.leaky_relu(F.conv2d(y, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1), 0.01)
            place += 1
        weight = state[f"styles.{row}.linear.weight"]
        rows.append(y.flatten(1) @ weight.T / math.sqrt(weight.shape[1]) + state[f"styles.{row}.linear.bias"])
    if deltas:
        rows = [rows[0]] + [rows[0] + row for row in rows[1:]]
    return torch.stack(rows, dim=1)


# --- the public files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deltas", [False, True])
def test_public_psp_and_e4e_files_load_and_compute_as_the_originals(tmp_path, deltas):
    path = tmp_path / "psp.pt"
    kind = "Encoder4Editing" if deltas else "GradualStyleEncoder"
    state = write_public(path, 3, pyramid=True, encoder_type=kind)
    encoder, generator = load_public_encoder(path)
    assert isinstance(encoder, PSpEncoder) and encoder.kind == "low_res" and encoder.preset.encoder_size == SIDE
    assert not encoder.training and not any(p.requires_grad for p in encoder.parameters())
    picture = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    result = encoder.generate(generator, picture, picture)
    expected = generator.w_avg + reference(state, picture, pyramid=True, deltas=deltas)
    torch.testing.assert_close(result.w_plus[:, -1], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(result.images[:, -1], generator.synthesis(expected), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kernels, counters, deltas", [(True, True, False), (False, False, True)])
def test_public_restyle_files_load_and_refine_as_the_originals(tmp_path, kernels, counters, deltas):
    path = tmp_path / "restyle.pt"
    kind = "ProgressiveBackboneEncoder" if deltas else "BackboneEncoder"
    state = write_public(path, 6, False, kernels, counters, encoder_type=kind)
    encoder, generator = load_public_encoder(path)
    assert isinstance(encoder, ReStyleEncoder) and encoder.steps == 5
    picture = torch.rand(1, 3, SIDE, SIDE) * 2 - 1
    result = encoder.generate(generator, picture, picture, steps=2)
    code = generator.w_avg.repeat(1, 8, 1)
    for step in range(2):
        with torch.no_grad():
            y_hat = resize(generator.synthesis(code), SIDE)
        code = code + reference(state, torch.cat([picture, y_hat], dim=1), pyramid=False, deltas=deltas)
        torch.testing.assert_close(result.w_plus[:, step], code, atol=1e-3, rtol=1e-3)


def test_public_sketch_files_see_drawings_in_their_own_range(tmp_path):
    path = tmp_path / "sketch.pt"
    state = write_public(path, 1, pyramid=True)
    encoder, generator = load_public_encoder(path)
    assert encoder.kind == "sketch"
    drawing = torch.rand(1, 1, SIDE, SIDE)
    found = encoder.generate(generator, drawing, torch.zeros(1, 3, SIDE, SIDE)).w_plus[:, 0]
    torch.testing.assert_close(found, generator.w_avg + reference(state, drawing, True), atol=1e-4, rtol=1e-4)
    write_public(path, 19, pyramid=True)
    assert load_public_encoder(path).encoder.kind == "label_map"


@pytest.mark.parametrize("pyramid", [True, False])
def test_at_full_size_names_and_shapes_are_those_of_the_public_files(pyramid):
    stages = ((64, 3), (128, 4), (256, 14), (512, 3))
    wanted = public_encoder_shapes(3 if pyramid else 6, pyramid, stages, n_styles=18, dim=512, halvings=4)
    with torch.device("meta"):
        encoder = (PSpEncoder if pyramid else ReStyleEncoder)("low_res", PAPER, uses_identity=False)
    assert {name: tuple(value.shape) for name, value in encoder.state_dict().items()} == wanted
    count = sum(p.numel() for p in encoder.parameters()) / 1e6
    assert round(count, 1) == (267.1 if pyramid else 205.6)


def test_other_files_are_named(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"g_ema": {}}, path)
    with pytest.raises(InputError, match=r"file.pt: has no state_dict \(it starts with g_ema\)"):
        load_public_encoder(path)
    torch.save({"state_dict": {"encoder.x": torch.zeros(1)}}, path)
    with pytest.raises(InputError, match=r"lacks encoder\.\* or decoder"):
        load_public_encoder(path)
    write_public(path, 3, True, encoder_type="ResNetBackboneEncoder")
    with pytest.raises(InputError, match="its encoder is a ResNetBackboneEncoder"):
        load_public_encoder(path)
    write_public(path, 5, True)
    with pytest.raises(InputError, match="reads 5 channels"):
        load_public_encoder(path)
    write_public(path, 3, True)
    content = torch.load(path, weights_only=True)
    del content["state_dict"]["encoder.body.2.res_layer.0.bias"]
    torch.save(content, path)
    with pytest.raises(InputError, match=r"its encoder lacks 1 tensors \(body.2.res_layer.0.bias\)"):
        load_public_encoder(path)
    content["state_dict"] = {k: v for k, v in content["state_dict"].items() if "encoder.body" not in k}
    torch.save(content, path)
    with pytest.raises(InputError, match="no IR-SE body"):
        load_public_encoder(path)
    for named, said in ((["Encoder4Editing"], r"\['Encoder4Editing'\]"), ({}, r"\{\}"), (torch.ones(2), "tensor")):
        write_public(path, 3, True, encoder_type=named)
        with pytest.raises(InputError, match=f"its encoder is a {said}"):
            load_public_encoder(path)
    write_public(path, 3, True, encoder_type=None)
    load_public_encoder(path)
    content = torch.load(path, weights_only=True)
    for name, shape in (("styles.0.convs.0.weight", (0, 1, 1, 1)), ("body.0.res_layer.1.weight", (0, 4, 3, 3))):
        state = {**content["state_dict"], f"encoder.{name}": torch.zeros(shape)}
        torch.save({**content, "state_dict": state}, path)
        with pytest.raises(InputError, match=r"file.pt: its encoder has no IR-SE body"):
            load_public_encoder(path)
    path.write_bytes(pickle.dumps(slice))
    with pytest.raises(InputError, match=r"file.pt: "):
        load_public_encoder(path)


# --- ours -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator.from_preset(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def arcface():
    torch.manual_seed(1)
    return IdentityNetwork(IDENTITY_SIZES["tiny"]).eval().requires_grad_(False)


@pytest.mark.parametrize("method", [PSpEncoder, ReStyleEncoder])
@pytest.mark.parametrize("kind, channels", [("low_res", 3), ("sketch", 1), ("label_map", 19)])
def test_an_untrained_encoder_draws_the_average_face_and_learns(method, kind, channels, generator):
    torch.manual_seed(2)
    encoder = method(kind, TINY)
    contour, person = torch.rand(2, channels, 64, 64), torch.rand(2, 3, 64, 64) * 2 - 1
    code, y_hat = encoder.start(generator, 2)
    assert code.input_latent is None and encoder.has_input_latent is False
    after = encoder(contour, person, y_hat, code)
    torch.testing.assert_close(after.w_plus, code.w_plus)
    (after.w_plus - 1).square().sum().backward()
    assert all(float(style.linear.weight.grad.abs().sum()) > 0 for style in encoder.styles)
    with torch.no_grad():
        for style in encoder.styles:
            style.linear.weight.normal_()
    encoder(contour, person, y_hat, code).w_plus.square().sum().backward()
    silent = [name for name, p in encoder.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert not silent
    changed = [
        encoder.eval()(*parts, Latents(code.w_plus, None)).w_plus
        for parts in ((contour, person, y_hat), (contour, -person, y_hat), (contour, person, -y_hat))
    ]
    assert not torch.equal(changed[0], changed[1])
    assert torch.equal(changed[0], changed[2]) == (method is PSpEncoder)  # pSp does not see its output


def test_all_tiny_methods_have_about_as_many_parameters():
    counts = [
        sum(p.numel() for p in method("low_res", TINY).parameters())
        for method in (IdentityGuidedEncoder, PSpEncoder, ReStyleEncoder)
    ]
    assert max(counts) < 1.15 * min(counts)


def test_the_body_starts_from_an_identity_network(arcface):
    face = torch.rand(1, 3, 64, 64) * 2 - 1
    for method in (PSpEncoder, ReStyleEncoder):
        encoder = method("low_res", TINY)
        encoder.load_identity(arcface)
        stacked = face.repeat(1, 2 + encoder.sees_output, 1, 1)
        for mine, theirs in zip(encoder.eval().forward_features(stacked), arcface.forward_features(face), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    encoder = ReStyleEncoder("sketch", TINY)
    encoder.load_identity(arcface)
    weight = encoder.input_layer[0].weight
    assert weight.shape[1] == 7 and not bool(weight[:, 0].any()) and bool(weight[:, 1:].any())
    small = IdentityNetwork(IDENTITY_SIZES["tiny"])
    small.input_layer = torch.nn.Sequential()
    with pytest.raises(InputError, match="no identity network of preset 'tiny'"):
        encoder.load_identity(small)


def test_statistics_of_a_pretrained_body_stay(generator):
    for pretrained in (True, False):
        encoder = ReStyleEncoder("low_res", TINY, pretrained_identity=pretrained).train()
        before = encoder.input_layer[1].running_mean.clone()
        code, y_hat = encoder.start(generator, 2)
        encoder(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64), y_hat, code)
        assert torch.equal(encoder.input_layer[1].running_mean, before) == pretrained


def test_steps_of_generate(generator):
    x_c, x_id = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 128, 128)
    result = ReStyleEncoder("low_res", TINY).eval().generate(generator, x_c, x_id)
    assert result.images.shape == (2, 3, 3, 128, 128) and result.input_latent is None
    psp = PSpEncoder("low_res", TINY).eval()
    assert psp.generate(generator, x_c, x_id).images.shape == (2, 1, 3, 128, 128)
    with pytest.raises(InputError, match="pSp takes one refinement step"):
        psp.generate(generator, x_c, x_id, steps=3)


def test_sizes_of_ones_own():
    size = BackboneSize(4, STAGES, 8)
    encoder = PSpEncoder("low_res", TINY, size=size)
    assert encoder.styles[0].convs[0].weight.shape == (8, 16, 3, 3)
