"""What the web page shows beside the networks: walks that do what they say, galleries, the judge's reference."""

import copy

import numpy as np
import pytest
import torch

import idnb
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.export.directions import WALKS, directions
from idnb.export.networks import Networks, bundled_networks
from idnb.export.page import judge_reference, spread_people
from idnb.models.attribute_regressor import load_attribute_regressor


@pytest.fixture(scope="module")
def networks() -> Networks:
    return bundled_networks()


@torch.inference_mode()
def test_walks_turn_the_head_and_move_the_light(networks):
    found = directions(networks, idnb.load_faces("starter"), people=12)
    assert set(found) == {walk.name for walk in WALKS}
    generator, regressor = networks.generator, load_attribute_regressor()
    faces = idnb.load_faces("test")
    images = faces.images([0, 401, 802])
    kind, encoder = next(iter(networks.encoders.items()))
    result = encoder.generate(generator, contour_kind(kind).make(images, faces.label_maps([0, 401, 802])), images)
    w_plus, latent = result.w_plus[:, -1], result.input_latent[:, -1]
    for walk in WALKS[:2]:
        code = found[walk.name]
        assert code.w_plus.shape == w_plus.shape[1:] and code.input_latent.shape == latent.shape[1:]
        read = []
        for far in (-walk.reach, walk.reach):
            image = generator.synthesis(w_plus + far * code.w_plus, latent + far * code.input_latent)
            read.append(regressor.read(image)[walk.parameter])
        # A second network, which knows nothing of the directions, reads the change in the right sense and size.
        change = (read[1] - read[0]) / (2 * walk.reach)
        assert (change > 0.15).all() and change.mean() < 3, (walk.name, change)


def test_a_set_without_known_parameters(networks):
    faces = copy.copy(idnb.load_faces("test"))
    faces.parameters = {name: x for name, x in faces.parameters.items() if name != "pose.yaw"}
    with pytest.raises(InputError, match=r"no column 'pose.yaw'; walks need a set made by `idnb render`"):
        directions(networks, faces)


def test_galleries_are_spread_over_people():
    faces = idnb.load_faces("test")
    rows = spread_people(faces, 24, 0)
    others = spread_people(faces, 16, 1, skip=3)
    assert len(set(faces.identity[rows])) == 24 and set(faces.shot[rows]) == {0}
    assert len(set(faces.identity[others])) == 16 and set(faces.shot[others]) == {1}


def test_the_judges_reference_tells_strangers_from_one_person(networks):
    found = judge_reference(networks, idnb.load_faces("test"), people=30)
    for name in ("strangers", "same"):
        assert abs(sum(found[name]["bars"]) - 1) < 1e-2 and found[name]["band"][0] < found[name]["band"][1]
    middle = np.linspace(found["from"], found["to"], len(found["same"]["bars"]))
    assert middle @ found["same"]["bars"] > middle @ found["strangers"]["bars"] + 0.4
    assert found["strangers"]["band"][1] < found["same"]["band"][0]
