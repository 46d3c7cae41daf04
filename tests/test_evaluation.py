"""The protocol on a dozen drawn faces and measures of a few lines: nothing dropped, resumable, the same in shards."""

import json
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from idnb.__main__ import build_parser, main
from idnb.cli.evaluate import export
from idnb.core.errors import InputError
from idnb.core.roc import area_above
from idnb.core.weights import WeightFile
from idnb.evaluation.features import FeatureNetwork
from idnb.evaluation.frechet import frechet_distance, kernel_distance
from idnb.evaluation.methods import AverageFace, CopyIdentity, EnlargedContour, Searched
from idnb.evaluation.metrics import PerceptualMeasure, load_perceptual_measure
from idnb.evaluation.protocol import evaluate, weights_fingerprint
from idnb.evaluation.setting import CHUNK, Setting, chunks_of, example_pairs, pairs_of
from idnb.evaluation.summary import score_distributions
from idnb.experiments.tables import method_table
from idnb.models.contour_encoder import Result
from idnb.models.lpips_distance import load_lpips
from tests.evaluation_people import colour_set


class Blend(nn.Module):
    """A method with a weight: the identity image, a little darker with every step; counts its calls."""

    def __init__(self):
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.9))
        self.calls = 0

    def generate(self, generator, x_c, x_id, steps=None):
        self.calls += 1
        images = [x_id * self.share.item() ** (t + 1) for t in range(steps or 2)]
        return Result(torch.stack(images, 1), torch.zeros(len(x_id), len(images), 2, 3), None)


@pytest.fixture(scope="module")
def data():
    return colour_set()


def test_every_contour_ten_identities(data):
    pairs = pairs_of(Setting("x"), data.identity)
    assert len(pairs) == 480 and (np.bincount(pairs.contour) == 10).all()
    chunks = chunks_of(pairs)
    assert len(chunks) == 2 and sum(part.stop - part.start for part in chunks) == 480
    assert len(np.unique(pairs.contour[chunks[0]])) == CHUNK
    few = pairs_of(Setting("x", contours=16), data.identity)
    assert len(few) == 160 and set(few.contour // 3) == set(range(16)) and len(set(few.contour % 3)) == 3
    assert len(pairs_of(Setting("x", mode="same"), data.identity)) == 96
    with pytest.raises(InputError, match="contours is 49"):
        pairs_of(Setting("x", contours=49), data.identity)


def test_examples_are_the_same_for_any_number_of_contours(data):
    one, other = (example_pairs(Setting("x", contours=n), data.identity) for n in (None, 4))
    assert len(one) == 6 and np.array_equal(one.contour, other.contour) and np.array_equal(one.identity, other.identity)
    assert (data.identity[one.contour] != data.identity[one.identity]).all()
    same = example_pairs(Setting("x", mode="same"), data.identity)
    assert (data.identity[same.contour] == data.identity[same.identity]).all()


def test_a_run_and_its_obvious_answers(data, tmp_path):
    result = evaluate(CopyIdentity(), None, data, Setting("copy"), tmp_path, progress=False)
    metrics = result["metrics"]
    assert result["pairs"] == 480 and metrics["perceptual"]["n"] == 480
    judge = metrics["judge.judge"]
    assert judge["similarity"]["value"] == pytest.approx(1, abs=1e-4) and judge["rank1"]["value"] > 0.8
    # Brightness does not turn a colour's vector much: two people of one hue confuse this judge, and the figures say so.
    assert judge["preference"]["value"] > 0.95 and judge["above_lower_quartile"]["value"] > 0.99
    assert judge["preference"]["n"] < 480  # pairs of one person have no preference
    assert metrics["psnr"]["value"] < 20 and metrics["frechet"]["value"] < 0.1
    assert metrics["psnr"]["low"] < metrics["psnr"]["value"] < metrics["psnr"]["high"]
    assert result["oracle"]["psnr"] == 100
    contour = evaluate(EnlargedContour("low_res"), None, data, Setting("enlarged"), tmp_path / "b", progress=False)
    assert contour["metrics"]["psnr"]["value"] > 25 and contour["metrics"]["judge.judge"]["preference"]["value"] < 0.1
    with Image.open(tmp_path / "examples.png") as picture:
        assert picture.size == (6 * 32, 32)
    assert (tmp_path / "pairs.csv").is_file() and not list(tmp_path.glob("chunk*"))
    with np.load(tmp_path / "columns.npz") as columns:
        assert columns["judge.identity"].shape == (480,) and "features" not in columns
        assert columns["perceptual"].mean() == pytest.approx(metrics["perceptual"]["value"], abs=1e-5)


def test_a_second_perceptual_distance_has_a_column_of_its_name(tmp_path):
    """LPIPS over VGG16 for real, on pictures of 32 px; a run with one distance is another run."""
    both = colour_set()
    both.lpips_vgg = PerceptualMeasure("LPIPS (VGG16, 32 px)", load_lpips("vgg"), 32)
    result = evaluate(CopyIdentity(), None, both, Setting("copy", contours=4, count=1), tmp_path, progress=False)
    table = method_table([result])
    assert "| LPIPS (VGG16, 32 px) ↓" in table and 0 < result["metrics"]["lpips_vgg"]["value"] < 2
    with np.load(tmp_path / "columns.npz") as columns:
        assert columns["lpips_vgg"].mean() == pytest.approx(result["metrics"]["lpips_vgg"]["value"], abs=1e-4)
    with pytest.raises(InputError, match="another setting"):
        evaluate(CopyIdentity(), None, colour_set(), Setting("copy", contours=4, count=1), tmp_path, progress=False)
    assert load_perceptual_measure("vgg").name == "LPIPS (VGG16, 128 px)"


def test_a_full_run_has_a_second_distance_between_sets(tmp_path):
    """A small network stands for ImageNet's: the column has its name and the value of its features."""

    class Means(FeatureNetwork):
        name, frechet_name, kernel_name = "means", "Frechet distance over means", "kernel distance over means"

        def forward(self, images):
            return images.mean((2, 3))

    both = colour_set()
    reference = both.images(np.arange(len(both))).mean((2, 3))
    both.imagenet = Means(), reference, reference
    result = evaluate(CopyIdentity(), None, both, Setting("copy", contours=4, count=1), tmp_path, progress=False)
    wanted = reference[torch.from_numpy(pairs_of(Setting("copy", contours=4, count=1), both.identity).identity)]
    metrics = result["metrics"]
    assert metrics["frechet_imagenet"]["value"] == pytest.approx(frechet_distance(wanted, reference), rel=1e-3)
    assert metrics["kernel_imagenet"]["value"] == pytest.approx(kernel_distance(wanted, reference), rel=1e-3, abs=1e-6)
    halves = [reference[part] for part in torch.randperm(48, generator=torch.Generator().manual_seed(0)).chunk(2)]
    assert result["oracle"]["kernel_imagenet"] == pytest.approx(kernel_distance(*halves), rel=1e-3, abs=1e-6)
    assert "| kernel distance over means ↓" in method_table([result])  # four pairs are too few for Frechet's


def test_label_maps_need_the_parser(data, tmp_path):
    with pytest.raises(InputError, match="load_face_parser"):
        evaluate(CopyIdentity(), None, data, Setting("copy", kind="label_map"), tmp_path, progress=False)


def timeless(result):
    result = json.loads(json.dumps(result))
    del result["metrics"]["seconds"]
    return result


def test_shards_give_the_same_result(data, tmp_path):
    setting, method = Setting("blend", steps=3), Blend()
    whole = evaluate(method, None, data, setting, tmp_path / "whole", progress=False)
    assert evaluate(method, None, data, setting, tmp_path / "parts", shard=(1, 2), progress=False) is None
    assert evaluate(method, None, data, setting, tmp_path / "parts", shard=(0, 2), progress=False) is None
    calls = method.calls
    parts = evaluate(method, None, data, setting, tmp_path / "parts", progress=False)
    assert method.calls == calls + 1  # the examples alone; nothing is measured twice
    assert timeless(parts) == timeless(whole) and whole["parameters"] == 1
    with np.load(tmp_path / "whole/columns.npz") as a, np.load(tmp_path / "parts/columns.npz") as b:
        assert all(np.array_equal(a[key], b[key]) for key in a.files if key != "seconds")


def test_an_interrupted_run_goes_on(data, tmp_path):
    class Stops(Blend):
        def generate(self, *args, **words):
            if self.calls == 9:
                raise KeyboardInterrupt
            return super().generate(*args, **words)

    setting = Setting("blend")
    with pytest.raises(KeyboardInterrupt):
        evaluate(Stops(), None, data, setting, tmp_path / "run", progress=False)
    assert len(list((tmp_path / "run").glob("chunk*"))) == 1
    method = Blend()
    found = evaluate(method, None, data, setting, tmp_path / "run", progress=False)
    assert method.calls == 7  # the second chunk and the examples
    assert timeless(found) == timeless(evaluate(Blend(), None, data, setting, tmp_path / "b", progress=False))
    assert evaluate(method, None, data, setting, tmp_path / "run", progress=False) == found and method.calls == 7


def test_results_are_never_mixed(data, tmp_path):
    method = Blend()
    evaluate(method, None, data, Setting("blend", contours=4), tmp_path, progress=False)
    with pytest.raises(InputError, match="another setting or other weights"):
        evaluate(method, None, data, Setting("blend", contours=5), tmp_path, progress=False)
    method.share.data.fill_(0.5)
    with pytest.raises(InputError, match="another setting or other weights"):
        evaluate(method, None, data, Setting("blend", contours=4), tmp_path, progress=False)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "chunk_00000.npz").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"chunk_00000.npz is damaged"):
        evaluate(method, None, data, Setting("blend", contours=4), tmp_path / "c", progress=False)
    assert weights_fingerprint(Blend()) == weights_fingerprint(Blend()) != weights_fingerprint(method)


def test_outputs_without_numbers_stop_the_run(data, tmp_path):
    method = Blend()
    method.share.data.fill_(float("nan"))
    with pytest.raises(InputError, match="blend: an output holds values that are no numbers"):
        evaluate(method, None, data, Setting("blend", contours=4), tmp_path, progress=False)


def test_bands_by_hand(data):
    found = score_distributions(data)["judge"]
    assert found["same"]["n"] == 16 * 3 and found["strangers"]["n"] == 48 * 47 // 2 - 48
    vectors = data.vectors["judge"]
    scores = [float(vectors[3 * p + a] @ vectors[3 * p + b]) for p in range(16) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found["same"]["mean"] == pytest.approx(np.mean(scores), abs=1e-6)
    assert found["same"]["q25"] == pytest.approx(np.percentile(scores, 25), abs=1e-6)
    right = 0
    for i in range(48):
        means = torch.stack([vectors[[j for j in range(48) if j // 3 == p and j != i]].sum(0) for p in range(16)])
        right += int((nn.functional.normalize(means, dim=1) @ vectors[i]).argmax()) == i // 3
    # The other people keep all of their pictures, so leaving the own one out changes one mean only.
    assert found["rank1"] == pytest.approx(right / 48, abs=1e-6)
    assert area_above(np.array([2.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx((1 + 0.75) / 2)


def test_average_face_is_the_generators():
    from idnb.core.presets import TINY
    from idnb.models.stylegan2 import Generator

    torch.manual_seed(0)
    generator = Generator.from_preset(TINY).eval().requires_grad_(False)
    result = AverageFace().generate(generator, torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 64, 64))
    assert result.images.shape == (2, 1, 3, 128, 128)
    assert torch.equal(result.images[0], result.images[1])


def test_same_person_mode_has_no_preference(data, tmp_path):
    result = evaluate(CopyIdentity(), None, data, Setting("copy", mode="same", contours=8), tmp_path, progress=False)
    judge = result["metrics"]["judge.judge"]
    assert result["pairs"] == 16 and "preference" not in judge and judge["similarity"]["n"] == 16
    assert "NaN" not in (tmp_path / "result.json").read_text()
    assert "| copy |" in method_table([result])


def test_searches_may_use_gradients(data, tmp_path):
    """A search runs inside the measuring, which keeps no gradients; it gets its own."""

    class Found(NamedTuple):
        images: torch.Tensor
        converged: torch.Tensor

    def search(generator, x_c, x_id):
        image = torch.zeros_like(x_id).requires_grad_()
        (image - x_id).square().sum().backward()
        return Found(-image.grad / 2, torch.arange(len(x_id)) % 2 == 0)

    result = evaluate(Searched(search), None, data, Setting("search", contours=4), tmp_path, progress=False)
    assert result["metrics"]["converged"]["value"] == 0.5
    assert result["metrics"]["judge.judge"]["similarity"]["value"] == pytest.approx(1, abs=1e-4)


def test_figures_of_a_bundled_encoder_go_into_the_manifest(data, tmp_path, monkeypatch):
    entry = WeightFile("encoder_low_res", "e.safetensors", "an encoder", "CC0-1.0", metrics={"images_shown": 7})
    written = []
    monkeypatch.setattr("idnb.cli.evaluate.find_weight", lambda name: {entry.name: entry}[name])
    monkeypatch.setattr("idnb.cli.evaluate.write_entry", written.append)
    result = evaluate(CopyIdentity(), None, data, Setting("dual", contours=16), tmp_path, progress=False)
    words = ["evaluate", "dual", "average", "--contours", "16", "--seeds", "0,1", "--data", "/far/people@test"]
    export(build_parser("evaluate").parse_args(words), "dual", result)
    told = entry.metrics["evaluated"]
    assert written == [entry] and entry.metrics["images_shown"] == 7 and told["pairs"] == 160
    assert told["preference"] == result["metrics"]["judge.judge"]["preference"]
    assert told["command"].startswith("idnb evaluate dual --kind low_res --mode any --contours 16 --count 10 --seeds 0")
    assert told["command"].endswith("--preset tiny --data people@test --reference starter --features identity")
    assert main(["evaluate", "average", "--export"]) == 2
