"""The sets of synthetic people: what is bundled, how it is read, what is said of damaged files."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import idnb
from idnb.core.errors import InputError
from idnb.faces.labels import LABEL_NAMES
from idnb.faces.set_files import read_table, set_checksum
from idnb.faces.synthetic import BUNDLED_SETS, Faces, load_rendered

ROOT = Path(__file__).parent.parent


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """The first two people of the test set, in a folder of their own."""
    source = BUNDLED_SETS / "test"
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        for path in sorted((source / name).iterdir())[:2]:
            shutil.copy(path, tmp_path / name)
    with gzip.open(source / "people.csv.gz", "rt") as file:
        rows = list(file)[:9]  # the header and 2 x 4 shots
    (tmp_path / "people.csv.gz").write_bytes(gzip.compress("".join(rows).encode()))
    card = json.loads((source / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"identities": 2}))
    return tmp_path


@pytest.mark.parametrize(("name", "people", "shots"), [("test", 300, 4), ("starter", 1000, 4)])
def test_bundled_sets_are_whole(name: str, people: int, shots: int) -> None:
    faces = load_rendered(name)
    assert len(faces) == people * shots
    assert len(np.unique(faces.identity)) == people
    assert faces.image_size == 128
    assert set_checksum(BUNDLED_SETS / name) == faces.card["sha256"]


def test_cards_agree_with_the_data_page() -> None:
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    cards = [json.loads(path.read_text()) for path in BUNDLED_SETS.glob("*/card.json")]
    assert len(cards) == 2
    for card in cards:
        assert card["sha256"] in text
        assert card["command"] in text


def test_bundled_sets_take_at_most_30_mb() -> None:
    assert sum(path.stat().st_size for path in BUNDLED_SETS.rglob("*") if path.is_file()) < 30e6


def test_a_face() -> None:
    face = idnb.load_faces("test")[5]
    assert face.image.shape == (3, 128, 128)
    assert face.image.dtype == torch.float32
    assert -1 <= face.image.min() < 0 < face.image.max() <= 1
    assert face.label_map.shape == (128, 128)
    assert face.label_map.dtype == torch.int64
    assert (face.identity, face.shot) == (1, 1)
    assert isinstance(face.parameters["pose.yaw"], float)
    assert isinstance(face.parameters["hair.style"], str)


def test_identity_is_fixed_and_the_shot_is_not() -> None:
    faces = load_rendered("test")
    yaw, nose = faces.parameters["pose.yaw"], faces.parameters["shape.nose-hump-incr"]
    for identity in range(20):
        mine = faces.identity == identity
        assert len(np.unique(nose[mine])) == 1
        assert len(np.unique(yaw[mine])) == mine.sum()


def test_classes_are_those_of_rendered_people() -> None:
    faces = load_rendered("test")
    labels = faces.label_maps(range(0, 400))
    present = {LABEL_NAMES[i] for i in labels.unique().tolist()}
    assert present == set(LABEL_NAMES) - {"hat", "ear_r", "neck_l"}
    share = (labels == LABEL_NAMES.index("skin")).float().mean()
    assert 0.15 < share < 0.45


def test_known_pose_is_the_pose_in_the_picture() -> None:
    """The nose lies towards the side that the face is turned to, as far from the eyes as yaw says."""
    faces = load_rendered("test")
    labels = faces.label_maps(range(200)).numpy()
    column = np.arange(128)
    offset = []
    for label in labels:
        nose = (label == LABEL_NAMES.index("nose")).sum(0)
        eyes = np.isin(label, [LABEL_NAMES.index("l_eye"), LABEL_NAMES.index("r_eye")]).sum(0)
        offset.append((nose * column).sum() / max(nose.sum(), 1) - (eyes * column).sum() / max(eyes.sum(), 1))
    assert np.corrcoef(offset, faces.parameters["pose.yaw"][:200])[0, 1] > 0.9


def test_left_is_the_persons_left() -> None:
    """l_eye lies at the right of the picture of a frontal face."""
    faces = load_rendered("test")
    frontal = np.flatnonzero(np.abs(faces.parameters["pose.yaw"]) < 0.1)[:20]
    column = torch.arange(128.0)
    for label in faces.label_maps(frontal):
        left = (label == LABEL_NAMES.index("l_eye")).float().sum(0)
        right = (label == LABEL_NAMES.index("r_eye")).float().sum(0)
        if left.sum() > 3 and right.sum() > 3:
            assert (left * column).sum() / left.sum() > (right * column).sum() / right.sum()


def test_smaller_images_are_averaged_and_labels_are_not() -> None:
    faces = load_rendered("test")
    images = faces.images([0, 3], size=64)
    assert images.shape == (2, 3, 64, 64)
    assert torch.allclose(images.mean((2, 3)), faces.images([0, 3]).mean((2, 3)), atol=0.01)
    small, large = faces.label_maps([0, 3], size=32), faces.label_maps([0, 3])
    assert small.shape == (2, 32, 32)
    assert set(small.unique().tolist()) <= set(large.unique().tolist())


def test_select() -> None:
    some = load_rendered("test").select([7, 3])
    assert sorted(set(some.identity.tolist())) == [3, 7]
    assert len(some) == 8
    assert some[0].identity == 3
    assert torch.equal(some.images([4])[0], load_rendered("test")[28].image)
    with pytest.raises(InputError, match=r"no identity \[300\].*0 to 299"):
        load_rendered("test").select([300])


def test_indices_behave_like_those_of_a_list(small_set: Path) -> None:
    faces = Faces(small_set)
    assert torch.equal(faces[-1].image, faces[7].image)
    with pytest.raises(IndexError):
        faces[8]
    assert len(list(faces)) == 8


def test_errors_name_the_file_and_the_remedy(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(InputError, match=r"no set of people 'tset'.*starter.*test"):
        load_rendered("tset")
    with pytest.raises(InputError, match=r"card.json is missing"):
        load_rendered(tmp_path_factory.mktemp("empty"))
    image = small_set / "images" / "00001.webp"
    image.write_bytes(image.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"00001.webp is damaged.*render"):
        Faces(small_set)[4]
    image.unlink()
    with pytest.raises(InputError, match=r"00001.webp is missing.*card.json"):
        Faces(small_set)[4]
    assert Faces(small_set)[0].identity == 0  # the other person is whole
    label = small_set / "labels" / "00000.png"
    Image.new("RGB", (512, 128)).save(label)
    with pytest.raises(InputError, match=r"00000.png.*RGB"):
        Faces(small_set).label_maps([0])


def test_a_damaged_table(small_set: Path) -> None:
    table = small_set / "people.csv.gz"
    whole = table.read_bytes()
    table.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"people.csv.gz is damaged"):
        read_table(table)
    table.write_bytes(gzip.compress(b"identity,shot,pose.yaw\n0,0\n"))
    with pytest.raises(InputError, match=r"rows are missing or cut short"):
        read_table(table)
    table.unlink()
    with pytest.raises(InputError, match=r"people.csv.gz does not exist"):
        read_table(table)
