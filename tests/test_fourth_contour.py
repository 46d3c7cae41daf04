"""A fourth kind of contour is one class: written here, entered in `CONTOURS`, and the package does the rest with it.

Edges are where a picture changes: one channel of what is left after a blur, black on white. No line of the package
knows them; they are stored, trained on, measured, tabled, generated from, read from a file and drawn on all the same.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from widget_parts import untrained_session

import idnb
from idnb.__main__ import build_parser, main
from idnb.cli.generate import read_contour
from idnb.contours.checks import check_contour, check_images
from idnb.contours.contour import Contour, Measure, Pen
from idnb.contours.kinds import CONTOURS, contour_from_file, contour_kind
from idnb.core.errors import InputError
from idnb.core.images import save_png
from idnb.core.presets import TINY
from idnb.core.resize import gaussian_blur, resize
from idnb.evaluation import Setting, evaluate
from idnb.evaluation.methods import load_method
from idnb.experiments.columns import MAIN
from idnb.experiments.figures import kinds_figure, methods_figure, variants_figure
from idnb.experiments.stored import read_results
from idnb.experiments.tables import method_table
from idnb.faces.photo import photo_to_tensor
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.encoder_files import load_encoder
from idnb.models.lpips_distance import load_lpips
from idnb.models.stylegan2 import Generator
from idnb.training.config import EncoderConfig, Phase
from idnb.training.losses import EncoderLoss
from idnb.training.pair_data import checked_sets, read_pair_data
from idnb.training.recipe import pair_panel
from idnb.training.run import train_encoder
from idnb.widgets import DrawLab, FaceLab, MixLab
from tests.evaluation_people import People, colour_set


class Edges(Contour):
    """How much each place differs from its surroundings: [B, 1, S, S] float in [0, 1], 1 where nothing changes."""

    name, title, channels = "edges", "edges", 1
    measure = Measure("edge_error", "contour fidelity, error of edges", "contour, edges", 4, larger_is_better=False)
    pens = (Pen("edge", 0, (0, 0, 0)), Pen("plain", 255, (255, 255, 255)))

    def make(self, images, label_maps=None):
        grey = check_images(images).mean(1, keepdim=True)  # [B, 1, H, H]
        return 1 - (grey - gaussian_blur(grey, 2.0)).abs().clamp(0, 1)

    def display(self, contour, size):
        return self.network_input(contour, size).expand(-1, 3, -1, -1).clone()

    def network_input(self, contour, size):
        return resize(2 * check_contour(contour, self.name, 1, 0.0) - 1, size, "bicubic")

    def read(self, path, size, **options):
        self.refuse(options)
        return resize(photo_to_tensor(path)[None], size, "bicubic").mean(1, keepdim=True) * 0.5 + 0.5

    def fidelity(self, outputs, x_c, parser=None):
        found = self.make(resize(outputs.clamp(-1, 1), x_c.shape[-1], "bicubic"))
        return {self.measure.name: (found - x_c).abs().mean((1, 2, 3))}

    def to_sheet(self, contour):
        return (255 * contour[0, 0].clamp(0, 1)).round().byte().numpy()

    def from_sheet(self, sheet):
        return torch.from_numpy(sheet.astype(np.float32) / 255)[None, None]


@pytest.fixture(autouse=True)
def edges(monkeypatch):
    monkeypatch.setitem(CONTOURS, "edges", Edges())


@pytest.fixture(scope="module")
def faces():
    return idnb.load_faces("test")


def encoder_of_edges():
    torch.manual_seed(1)
    return IdentityGuidedEncoder("edges", TINY)


def test_it_keeps_the_promises_of_the_interface(faces):
    images = faces.images([0, 5])
    kind = contour_kind("edges")
    made = kind.make(images)
    assert (kind.unpack(kind.pack(images, None, 64)) - made).abs().max() < 1e-3
    assert (kind.mirror(made) - kind.make(images.flip(3))).abs().max() < 1e-5
    assert kind.fidelity(images, made)["edge_error"].max() == 0
    assert kind.fidelity(images.roll(1, 0), made)["edge_error"].min() > 0.01
    assert kind.sized(8) is kind


def test_an_encoder_trains_on_it(faces, tmp_path, monkeypatch):
    from accelerate import Accelerator

    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))
    data = read_pair_data(checked_sets(["test"], "edges", lambda text: None), "edges", TINY, people=3)
    batch = data.draw(4, torch.Generator().manual_seed(0))
    again = contour_kind("edges").network_input(contour_kind("edges").make(batch.photo), 64)
    assert batch.contour_input.shape == (4, 1, 64, 64) and (again - batch.contour_input).abs().mean() < 0.1
    torch.manual_seed(1)
    generator, encoder = Generator.from_preset(TINY), encoder_of_edges()
    before = encoder.head.weight.detach().clone()
    loss = EncoderLoss(idnb.load_identity_network("tiny"), load_lpips())
    config = EncoderConfig((Phase(1, 4, 8),), batch=2, learning_rate=1e-3)
    panel = pair_panel(generator, data, count=2)
    train_encoder(encoder, generator, data, loss, config, tmp_path, Accelerator(cpu=True), save_minutes=0, panel=panel)
    loaded = load_encoder("tiny", "edges", tmp_path / "checkpoint.pt")
    assert not torch.equal(loaded.head.weight, before)
    with pytest.raises(InputError, match="holds IdentityGuidedEncoder for edges contours"):
        load_encoder("tiny", "sketch", tmp_path / "checkpoint.pt")


def test_methods_are_measured_with_it_and_stand_in_tables(tmp_path):
    torch.manual_seed(0)
    generator, data = Generator.from_preset(TINY).eval(), colour_set()
    for name, method in (("copy", load_method("copy", kind="edges")), ("dual", encoder_of_edges().eval())):
        setting = Setting(name, kind="edges", contours=4, count=2)
        result = evaluate(method, generator, data, setting, tmp_path / name, progress=False)
        assert 0 < result["metrics"]["edge_error"]["value"] < 1 and result["oracle"]["edge_error"] == 0
    results = read_results(tmp_path, kind="edges")
    for keys in (None, MAIN):
        assert "contour, edges ↓" in method_table(results, keys)
    assert "smaller is better" in variants_figure(results, "edge_error").axes[0].get_xlabel()
    assert "edges" in methods_figure([results[0]], People()).get_label()
    with pytest.raises(InputError, match="a edges is no picture of a face"):
        load_method("enlarged", kind="edges")
    with pytest.raises(InputError, match="contours of kind 'edges' have one size"):
        data.contours("edges", np.arange(2), 8)


def test_faces_are_generated_from_it(faces, tmp_path, capsys):
    encoder, path = encoder_of_edges().eval(), tmp_path / "edges.safetensors"
    from safetensors.torch import save_file

    save_file({key: value.contiguous() for key, value in encoder.state_dict().items()}, path)
    face = save_png(faces.images([0])[0], tmp_path / "face.png")
    kind = contour_kind("edges")
    drawn = save_png(kind.display(kind.make(faces.images([0])), 128)[0], tmp_path / "edges.png")
    words = [
        "generate",
        "--identity",
        str(face),
        "--encoder",
        str(path),
        "--out",
        str(tmp_path / "out.png"),
        "--overwrite",
    ]
    of_photo, own = ["--contour-kind", "photo", "--as", "edges"], ["--contour-kind", "edges"]
    for given in (["--contour", str(face), *of_photo], ["--contour", str(drawn), *own]):
        assert main([*words, *given]) == 0
        assert len(capsys.readouterr().out.split()) == 3
    with pytest.raises(InputError, match="edges does not know the option order"):
        read_contour(drawn, "edges", TINY, order="face-parsing")
    assert contour_from_file(drawn, "edges", 64).shape == (1, 1, 64, 64)
    torch.manual_seed(0)
    figure = kinds_figure([encoder], Generator.from_preset(TINY).eval(), faces, np.array([0]), np.array([5]), 1)
    assert "1 rows of contours (edges)" in figure.get_label()


def test_the_labs_show_it_and_draw_on_it(faces):
    session = untrained_session(("low_res", "edges"))
    pick = {"contours": [0, 4], "identities": [5, 9]}
    lab = FaceLab(session, faces, **pick)
    assert not lab.message.value
    low_res = lab.update(step=1)["fidelity"]
    assert lab.update(kind="edges")["fidelity"] < 1 < low_res and not lab.message.value
    assert "error of edges" in lab.scores.value
    mixed = MixLab(session, faces, **pick)
    assert mixed.update(other_kind="edges", to_other=0.5)["fidelity"] > 0 and not mixed.message.value
    sheet = DrawLab(session, faces, **pick)
    assert sheet.kind == "edges" and [title for title, _ in sheet.pad.tool.options] == ["edge", "plain"]
    sheet.pad.draw([{"v": 0, "r": 6, "p": [20, 30, 100, 30]}])
    assert sheet.numbers["strokes"] == 1 and sheet.numbers["change"] > 0 and not sheet.message.value


@pytest.mark.parametrize("words", ["estimate", "train encoder"])
def test_commands_take_it(words):
    first, *rest = words.split()
    parser = build_parser(first)
    assert parser.parse_args([first, *rest, "--kind", "edges"]).kind == "edges"
    with pytest.raises(InputError, match="corners"):
        parser.parse_args([first, *rest, "--kind", "corners"])


def comparisons(tree: ast.AST, names: set[str]) -> list[int]:
    """Lines that compare something with the name of a kind of contour, or match it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.match_case):
            found += [n.lineno for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value in names]
    return found


def test_no_module_but_the_kinds_themselves_asks_for_a_kind_by_name():
    names, root = {"low_res", "sketch", "label_map"}, Path(idnb.__file__).parent
    assert comparisons(ast.parse('if kind in ("sketch", 1):\n    pass'), names) == [1]
    for path in sorted(root.rglob("*.py")):
        if path.parent.name != "contours":
            lines = comparisons(ast.parse(path.read_text(encoding="utf-8")), names)
            assert not lines, f"{path.relative_to(root)}, lines {lines}: ask `Contour` instead"
