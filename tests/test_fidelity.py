"""Contour fidelity and known truth: obvious cases first, then the trained networks on real renders."""

import pytest
import torch

import idnb
from idnb.contours.kinds import contour_kind
from idnb.contours.sketch import sketch_agreement
from idnb.core.errors import InputError
from idnb.core.psnr import psnr
from idnb.core.resize import resize
from idnb.core.weights import find_weight
from idnb.evaluation.truth import shape_distance, truth_columns
from idnb.models.attribute_regressor import ATTRIBUTES, LIGHT, POSE, SHAPE, AttributeRegressor, load_attribute_regressor
from idnb.models.face_parser import FaceParser, load_face_parser


@pytest.fixture(scope="module")
def people():
    faces = idnb.load_faces("test")
    rows = range(0, 160, 2)
    return faces, rows, faces.images(rows, size=64), faces.label_maps(rows, size=64)


def test_low_resolution(people):
    _, _, images, _ = people
    kind = contour_kind("low_res")
    x_c = kind.make(images)
    assert (contour_kind("low_res").fidelity(images, x_c)["psnr"] == 100).all()
    brighter = (images * 0.5 + 0.1).clamp(-1, 1)
    expected = psnr(kind.make(brighter), x_c)
    torch.testing.assert_close(contour_kind("low_res").fidelity(brighter, x_c)["psnr"], expected)
    assert (contour_kind("low_res").fidelity(images.roll(1, 0), x_c)["psnr"] < 25).float().mean() > 0.9


def test_sketch_by_hand():
    asked = torch.ones(4, 1, 12, 12)
    found = asked.clone()
    asked[:3, :, 3] = 0.0
    found[0, :, 3], found[1, :, 4], found[2, :, 9] = 0.0, 0.0, 0.0
    assert sketch_agreement(found, asked).tolist() == pytest.approx([1.0, 1.0, 0.0, 1.0], abs=1e-5)
    both = asked[:1].clone()
    both[:, :, 9] = 0.0  # all that was asked, and a line more: precision 1/2, recall 1
    assert sketch_agreement(both, asked[:1]).item() == pytest.approx(2 / 3, abs=1e-5)
    with pytest.raises(InputError, match="expected"):
        sketch_agreement(asked, asked[:2])


def test_sketches_of_faces(people):
    _, _, images, _ = people
    x_c = contour_kind("sketch").make(images)
    assert (contour_kind("sketch").fidelity(images, x_c)["line_f"] > 0.999).all()
    other = contour_kind("sketch").fidelity(images.roll(1, 0), x_c)["line_f"]
    halves = resize(images, 32)  # lines are drawn at the size of the contour
    own, foreign = (contour_kind("sketch").fidelity(one, x_c)["line_f"].mean() for one in (halves, halves.roll(1, 0)))
    assert foreign < own < 1
    assert 0.1 < other.mean() < 0.7


def test_label_maps_with_a_parser_that_says_what_it_is_told(people):
    _, _, images, labels = people

    class Told(FaceParser):
        answer = labels

        def label_maps(self, images):
            return self.answer

    parser = Told()
    perfect = contour_kind("label_map").fidelity(images, labels, parser)
    assert (perfect["iou"] == 1).all() and (perfect["iou_counts"][..., 0] == perfect["iou_counts"][..., 1]).all()
    parser.answer = torch.zeros_like(labels)
    empty = contour_kind("label_map").fidelity(images, labels, parser)["iou"]
    count = torch.tensor([len(each.unique()) for each in labels])
    torch.testing.assert_close(empty, (labels == 0).float().mean((1, 2)) / count)
    with pytest.raises(InputError, match="load_face_parser"):
        contour_kind("label_map").fidelity(images, labels)


def test_shape_distance_by_hand():
    regressor = AttributeRegressor()
    first = len(POSE) + len(LIGHT)
    regressor.correlation[first : first + 4] = torch.tensor([0.5, 0.5, 0.8, 0.1])  # the last is not believed
    truth, readings = torch.zeros(2, len(ATTRIBUTES)), torch.zeros(2, len(ATTRIBUTES))
    truth[0, first : first + 4] = torch.tensor([2.0, 0.0, 1.0, 9.0])
    readings[0, first : first + 4] = torch.tensor([1.0, 3.0, 0.8, 0.0])
    assert shape_distance(readings, truth, regressor).tolist() == pytest.approx([3 / 3**0.5, 0.0])
    with pytest.raises(InputError, match="train it longer"):
        shape_distance(readings, truth, AttributeRegressor())
    with pytest.raises(InputError, match=r"has no column 'pose.yaw'"):
        truth_columns({}, regressor)


def test_the_bundled_parser(people):
    _, _, images, labels = people
    parser = load_face_parser()
    found = contour_kind("label_map").fidelity(images, labels, parser)
    assert found["iou"].mean() > 0.6
    assert (
        contour_kind("label_map").fidelity(images.roll(1, 0), labels, parser)["iou"].mean() < found["iou"].mean() - 0.2
    )
    entry = find_weight("face_parser")
    assert entry.size is not None and entry.size < 1e6 and entry.metrics["mean_iou"] > 0.6


def test_the_bundled_reader(people):
    faces, rows, images, _ = people
    regressor = load_attribute_regressor()
    truth = truth_columns(faces.parameters, regressor)[list(rows)]
    readings = regressor(images)
    for column in (0, 1):
        assert torch.corrcoef(torch.stack([readings[:, column], truth[:, column]]))[0, 1] > 0.9
    named = regressor.read(images)
    assert list(named) == list(ATTRIBUTES) and len(SHAPE) == 84
    torch.testing.assert_close(named["pose.yaw"], readings[:, 0] * regressor.deviation[0] + regressor.mean[0])
    own, other = (shape_distance(readings, t, regressor) for t in (truth, truth.roll(4, 0)))
    assert (own < other).float().mean() > 0.85
    entry = find_weight("face_reader")
    assert entry.size is not None and entry.size < 1e6 and entry.metrics["correlation"]["pose.yaw"] > 0.9
