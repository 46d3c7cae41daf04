"""CelebAMask-HQ and plain folders of photos, on small trees in exactly their layouts."""

import hashlib
import os

import numpy as np
import pytest
import torch
from PIL import Image

import idnb
from idnb.__main__ import main
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.faces import celeba_split, sources
from idnb.faces.celeba_split import MAPPING_FILE, mapping_faults, numbers_sha256, read_mapping, split_of_file
from idnb.faces.celebahq import CelebAMaskHQ
from idnb.faces.label_files import set_order
from idnb.faces.pairs import draw_pairs
from idnb.faces.photo_folder import PhotoFolder
from idnb.training.pair_data import checked_sets
from tests.photo_trees import MEMBERS, celebamask_tree, label_map, other_order, photo


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return celebamask_tree(tmp_path_factory.mktemp("celeba") / "CelebAMask-HQ")


@pytest.fixture
def small(tmp_path):
    """A tree to break: pictures of 64 pixels."""
    return celebamask_tree(tmp_path / "CelebAMask-HQ", side=64)


# --- CelebAMask-HQ --------------------------------------------------------------------------------------------------


def test_splits_follow_celeba_and_keep_the_number(tree):
    for split, numbers in (("train", [0, 1]), ("val", [2, 3]), ("test", [4, 2001])):
        faces = idnb.load_faces(tree, split=split)
        assert faces.index.tolist() == numbers
        assert faces.identity.tolist() == [MEMBERS[number][1] for number in numbers] and faces.shot.tolist() == [0, 1]
        assert idnb.load_faces(f"{tree}@{split}").index.tolist() == numbers
    assert len(idnb.load_faces(tree.parent)) == 6  # the folder above will do


def test_the_interface_is_that_of_rendered_people(tree):
    photos, rendered = idnb.load_faces(tree), idnb.load_faces("test")
    for faces in (photos, rendered):
        rows = np.array([1, 0])
        images, labels = faces.images(rows, size=64), faces.label_maps(rows, size=64)
        assert images.shape == (2, 3, 64, 64) and images.dtype == torch.float32 and images.abs().max() <= 1
        assert labels.shape == (2, 64, 64) and labels.dtype == torch.long
        assert faces.images([0])[0].shape[-1] == faces.image_size == faces.pixels([0]).shape[1]
        chosen = faces.select(faces.identity[:1])
        assert set(chosen.identity.tolist()) == {int(faces.identity[0])}
        assert torch.equal(faces[0].image, faces.images([0])[0]) and faces[0].identity == faces.identity[0]
        for kind in ("low_res", "sketch", "label_map"):
            contour = contour_kind(kind).make(images, labels)
            assert contour_kind(kind).network_input(contour, 64).shape[0] == 2
    assert photos.image_size == 1024 and photos.label_maps([0]).shape == (1, 512, 512)
    assert len(draw_pairs(photos.identity, "same", count=1)) == 6


def test_images_are_those_of_the_files(tree):
    faces = idnb.load_faces(tree, split="test")
    expected = np.asarray(Image.open(tree / "CelebA-HQ-img" / "2001.jpg"))
    assert np.array_equal(faces.pixels([1])[0], expected)


def test_parts_are_merged_in_order(tree):
    faces = idnb.load_faces(tree)
    for row, number in enumerate(faces.index):
        assert np.array_equal(faces.label_maps([row])[0].numpy(), label_map(number))


@pytest.mark.parametrize("order", ["celebamask", "face-parsing"])
def test_both_orders_of_index_maps_are_recognised(tmp_path, order):
    faces = idnb.load_faces(celebamask_tree(tmp_path / "c", maps=order, side=64))
    assert faces.order == order
    assert np.array_equal(faces.label_maps([2])[0].numpy(), label_map(2, 64))


def test_mixed_orders_and_silent_maps_are_refused(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        Image.fromarray(label_map(i) if i % 2 else other_order(label_map(i))).save(path)
    with pytest.raises(InputError, match="two orders of classes are mixed"):
        set_order(paths)
    Image.fromarray(np.ones((8, 8), np.uint8)).save(paths[0])
    with pytest.raises(InputError, match="order cannot be told; pass order='celebamask'"):
        set_order(paths[:1])


def test_merging_once_gives_the_same_maps(tree, small, capsys):
    before = CelebAMaskHQ(small)
    assert before.order is None
    assert main(["data", "merge", str(small)]) == 0
    after = CelebAMaskHQ(small)
    assert after.order == "celebamask" and torch.equal(after.label_maps(range(6)), before.label_maps(range(6)))
    assert main(["data", "merge", str(small)]) == 2 and "is there already" in capsys.readouterr().err
    (small / "CelebAMask-HQ-mask" / "3.png").unlink()
    assert CelebAMaskHQ(small).order is None  # incomplete: the parts are read


def test_without_a_list_of_people_each_photo_is_one(tmp_path):
    faces = idnb.load_faces(celebamask_tree(tmp_path / "c", identities=False, side=64))
    assert not faces.identities_known and len(np.unique(faces.identity)) == 6
    assert "who is who is not known" in faces.check().text()


def test_one_report_names_everything(small, capsys, tmp_path):
    images, parts = small / "CelebA-HQ-img", small / "CelebAMask-HQ-mask-anno"
    (images / "0.jpg").write_bytes((images / "0.jpg").read_bytes()[:400])
    (images / "1.jpg").write_bytes(b"")
    (images / "2.jpg").write_text("<!DOCTYPE html><html>quota</html>")
    Image.new("RGB", (64, 60)).save(images / "3.jpg")
    (images / "4.jpg").unlink()
    photo(5, 64).save(images / "77.jpg")
    (images / "Thumbs.db").write_bytes(b"x")
    photo(5, 64).save(images / "2001 (1).jpg")
    for path in (parts / "0").glob("00003_*.png"):
        path.unlink()
    (parts / "0" / "00001_hair.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (parts / "0" / "00001_beard.png").write_bytes(b"")
    (parts / "0" / "02001_hair.png").write_bytes(b"")
    out = tmp_path / "report.txt"
    assert main(["data", "check", str(small), "--out", str(out)]) == 1
    text = out.read_text()
    for line in (
        "CelebA-HQ-img/0.jpg: is cut off (400 bytes)",
        "CelebA-HQ-img/1.jpg: is empty",
        "CelebA-HQ-img/2.jpg: is an HTML page, not a picture",
        "CelebA-HQ-img/3.jpg: is 64 x 60, not 64 x 64",
        "CelebA-HQ-img/4.jpg",
        "CelebA-HQ-img/77.jpg: is not in the mapping",
        "CelebA-HQ-img/Thumbs.db: is hidden or made by the system",
        "CelebA-HQ-img/2001 (1).jpg: is not called NUMBER.jpg or NUMBER.png",
        "label map of image 3",
        "0/00001_hair.png: is cut off (8 bytes)",
        "0/00001_beard.png: is not called NUMBER_part.png",
        "0/02001_hair.png: belongs into folder 1",
        "NOT usable as it is: 2 missing, 4 broken, 5 extra, 1 wrong",
        "the mapping has 6 rows of 30,000",
    ):
        assert line in text, line
    assert "NOT usable" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"(?s)is cut off.*idnb data check"):
        CelebAMaskHQ(small, "train").check().require()


def test_damage_inside_a_file_is_found_by_decoding(small):
    for path in (small / "CelebA-HQ-img" / "1.jpg", small / "CelebAMask-HQ-mask-anno" / "0" / "00001_hair.png"):
        body = path.read_bytes()
        path.write_bytes(body[: len(body) // 3] + body[-20:])
    faces = CelebAMaskHQ(small)
    assert faces.check().usable
    text = faces.check(decode=True).text()
    assert "1.jpg: is damaged" in text and "00001_hair.png: is damaged" in text


def test_a_whole_tree_is_usable(tree):
    report = CelebAMaskHQ(tree).check(decode=True)
    assert report.usable and not report.faults and "nothing is amiss" in report.text()
    report.require()


def test_missing_images_stop_a_run_before_it_starts(small):
    (small / "CelebA-HQ-img" / "2001.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 2 images of test are missing, the first is CelebA-HQ-img/2001.jpg"):
        idnb.load_faces(small, split="test")
    assert len(idnb.load_faces(small, split="train")) == 2
    assert sources.open_photos(small, "test", allow_missing=True).index.tolist() == [4]


def test_sets_are_checked_before_a_run(small, tmp_path):
    said: list[str] = []
    (faces,) = checked_sets([str(small)], "sketch", said.append)
    assert faces.split == "train" and len(faces) == 2 and "2 images of train" in said[0]
    (rendered,) = checked_sets(["test"], "label_map", said.append)
    assert len(said) == 1 and len(rendered) > 2
    (small / "CelebA-HQ-img" / "0.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"0\.jpg: is empty"):
        checked_sets([str(small)], "low_res", said.append)
    (tmp_path / "plain").mkdir()
    photo(1, 64).save(tmp_path / "plain" / "a.jpg")
    with pytest.raises(InputError, match="has no label maps, which label_map contours are"):
        checked_sets([str(tmp_path / "plain")], "label_map", said.append)


@pytest.mark.parametrize(
    "line, message",
    [
        ("7 8", "line 8: expected `idx orig_idx orig_file`"),
        ("7 8 000010.jpg", "line 8: orig_file must be orig_idx"),
        ("2001 8 000009.jpg", "idx 2001 is there 2 times"),
    ],
)
def test_a_damaged_mapping_is_named(small, line, message):
    with (small / MAPPING_FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=message):
        idnb.load_faces(small)


def test_a_whole_mapping_is_compared_with_the_known_split(monkeypatch):
    counts = [celeba_split.HQ_COUNTS[name] for name in celeba_split.SPLITS]
    index = np.arange(30_000)
    starts = np.array([1, 162_771, 182_638])
    file_number = np.concatenate([start + np.arange(count) for start, count in zip(starts, counts, strict=True)])
    assert [int((split_of_file(file_number) == name).sum()) for name in celeba_split.SPLITS] == counts
    faults = mapping_faults(index, file_number)
    assert len(faults) == 1 and "its test numbers have sha256" in faults[0]
    assert any(
        "gives 24,184 images for train" in fault for fault in mapping_faults(index, np.sort(file_number)[::-1] - 1)
    )
    monkeypatch.setattr(celeba_split, "TEST_SHA256", numbers_sha256(index[-2824:]))
    assert not mapping_faults(index, file_number)


def test_the_checksum_is_of_ascending_numbers_one_a_line():
    assert numbers_sha256(np.array([26, 2, 4])) == hashlib.sha256(b"2\n4\n26").hexdigest()


def test_a_mapping_without_headings(small):
    path = small / MAPPING_FILE
    path.write_text("\n".join(path.read_text().splitlines()[1:]))
    assert read_mapping(path)[0].tolist() == sorted(MEMBERS)


def test_bad_arguments(tree, tmp_path):
    with pytest.raises(InputError, match="holds no folder CelebA-HQ-img"):
        CelebAMaskHQ(tmp_path)
    with pytest.raises(InputError, match="choose one of: train, val, test"):
        CelebAMaskHQ(tree, "dev")
    with pytest.raises(InputError, match="only CelebAMask-HQ has a split"):
        idnb.load_faces("test", split="train")
    with pytest.raises(InputError, match="There is no set of people 'nobody'"):
        idnb.load_faces("nobody")


# --- plain folders --------------------------------------------------------------------------------------------------


def test_a_folder_a_person(tmp_path):
    for place, name in enumerate(["ben/1.jpg", "anna/2.jpg", "anna/1.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo(place, 64).save(tmp_path / name)
    faces = idnb.load_faces(tmp_path)
    assert faces.names.tolist() == ["anna/1.png", "anna/2.jpg", "ben/1.jpg"] and faces.identity.tolist() == [0, 0, 1]
    assert faces.identities_known and faces.shot.tolist() == [0, 1, 0] and not faces.has_label_maps
    assert faces.images([2], size=32).shape == (1, 3, 32, 32)
    with pytest.raises(InputError, match="has no label maps; train on low_res or sketch"):
        faces.label_maps([0])


def test_ffhq_and_flat_folders_know_no_people(tmp_path):
    for name in ("ffhq/00000/00001.png", "ffhq/01000/01000.png", "flat/a.jpg", "flat/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        photo(1, 64).save(tmp_path / name)
    for folder in ("ffhq", "flat"):
        faces = PhotoFolder(tmp_path / folder)
        assert not faces.identities_known and faces.identity.tolist() == [0, 1]
    (tmp_path / "flat" / "identities.txt").write_text("a.jpg 5\nb.jpg 5\n")
    assert PhotoFolder(tmp_path / "flat").identity.tolist() == [5, 5]
    (tmp_path / "flat" / "identities.txt").write_text("a.jpg 5\n")
    with pytest.raises(InputError, match=r"does not say who is in b\.jpg"):
        PhotoFolder(tmp_path / "flat")


def test_label_maps_and_the_report_of_a_folder(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("a", "b"):
        photo(1, 64).save(tmp_path / f"{name}.jpg")
        Image.fromarray(other_order(label_map(0, 64))).save(tmp_path / "labels" / f"{name}.png")
    faces = idnb.load_faces(tmp_path)
    assert faces.order == "face-parsing" and np.array_equal(faces.label_maps([1])[0], label_map(0, 64))
    assert faces.check(decode=True).usable
    (tmp_path / "labels" / "b.png").unlink()
    assert "labels/b.png" in faces.check().text()
    Image.new("RGB", (64, 64)).save(tmp_path / "labels" / "c.png")
    photo(1, 64).save(tmp_path / "c.jpg")
    (tmp_path / "notes.txt").write_text("mine")
    text = idnb.load_faces(tmp_path).check(decode=True).text()
    assert "labels/b.png" in text and "a colour picture" in text and "notes.txt: is no picture" in text
    assert "1 missing, 1 extra, 1 wrong" in text


def test_a_label_map_belongs_to_one_picture_however_its_folder_is_written(tmp_path):
    (tmp_path / "Labels" / "ann").mkdir(parents=True)
    (tmp_path / "ann").mkdir()
    for name in ("a.jpg", "b.jpg"):
        photo(1, 64).save(tmp_path / "ann" / name)
        Image.fromarray(label_map(0, 64)).save(tmp_path / "Labels" / "ann" / name.replace("jpg", "png"))
    faces = idnb.load_faces(tmp_path)
    assert len(faces) == 2 and faces.has_label_maps and faces.check(decode=True).usable
    photo(2, 64).save(tmp_path / "ann" / "a.png")
    with pytest.raises(InputError, match=r"a\.png would be the label map of ann/a\.jpg and of ann/a\.png; rename"):
        idnb.load_faces(tmp_path)


def test_label_maps_of_different_sizes_are_named(tmp_path):
    (tmp_path / "labels").mkdir()
    for name, side in (("a", 64), ("b", 32)):
        photo(1, 64).save(tmp_path / f"{name}.jpg")
        Image.fromarray(label_map(0, side)).save(tmp_path / "labels" / f"{name}.png")
    faces = idnb.load_faces(tmp_path)
    with pytest.raises(InputError, match=r"b\.png has 32 x 32 pixels, others have 64 x 64.*one size"):
        faces.label_maps([0, 1])
    assert faces.label_maps([0, 1], size=32).shape == (2, 32, 32)  # brought to one size, they may differ
    assert faces.label_maps([1]).shape == (1, 32, 32)


def test_folders_without_pictures(tmp_path):
    with pytest.raises(InputError, match="holds no picture"):
        idnb.load_faces(tmp_path)
    (tmp_path / "a.jpg").write_bytes(os.urandom(50))
    with pytest.raises(InputError, match="none of the pictures can be read"):
        idnb.load_faces(tmp_path)
