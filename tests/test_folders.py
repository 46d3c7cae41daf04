"""One rule for reading folders, everywhere: what is left out, which links are followed, what is said."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import idnb
from idnb.__main__ import main
from idnb.core.errors import InputError
from idnb.core.folders import is_hidden, list_files
from idnb.evaluation.dataset import load_evaluation_set
from idnb.evaluation.store import RESULTS
from idnb.experiments.stored import read_results
from idnb.faces.celebahq import CelebAMaskHQ
from idnb.faces.photo_folder import PhotoFolder
from idnb.faces.real_images import read_strips
from idnb.faces.set_files import set_checksum
from tests.photo_trees import celebamask_tree, label_map, photo

LITTER = (".ipynb_checkpoints/1-checkpoint.jpg", "__MACOSX/._1.jpg", "._1.jpg", "Thumbs.db", "desktop.ini", ".DS_Store")


def add_litter(folder: Path) -> None:
    """What Jupyter, macOS and Windows leave in folders."""
    for name in LITTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\5\x16\7")


def people(folder: Path) -> Path:
    for place, name in enumerate(["anna/1.jpg", "anna/2.jpg", "ben/1.jpg"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photo(place, 64).save(folder / name)
    return folder


def test_names_that_are_left_out() -> None:
    for name in (".git", "._a.png", "Thumbs.db", "thumbs.DB", "DESKTOP.INI", "__MACOSX", "@eaDir", "$RECYCLE.BIN"):
        assert is_hidden(name), name
    assert not any(is_hidden(name) for name in ("a.png", "macosx", "thumbs", "a.b", "_a.png"))


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    outside, root = tmp_path / "disk", tmp_path / "photos"
    for folder in (outside / "deep", root / "anna"):
        folder.mkdir(parents=True)
        (folder / "1.jpg").touch()
    (root / "carl").symlink_to(outside)  # found, though it is a link
    (root / "all").symlink_to(root)  # a circle
    (root / "anna" / "up").symlink_to(root)
    (outside / "deep" / "back").symlink_to(root / "anna")
    (root / "annas").symlink_to(root / "anna")
    (root / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "linked.jpg").symlink_to(outside / "deep" / "1.jpg")
    listing = list_files(root)
    assert listing.names == ["anna/1.jpg", "carl/deep/1.jpg", "gone.jpg", "linked.jpg"]
    assert {name for name, _, _ in listing.left_out} == {"all", "anna/up", "annas", "carl/deep/back"}
    assert all("is a link to a folder that is read already" in why for _, why, _ in listing.left_out)
    flat = list_files(root, deep=False)
    assert flat.names == ["gone.jpg", "linked.jpg"] and ("anna", "is a folder", False) in flat.left_out


def test_folders_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people(tmp_path / "photos")
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "ben":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    listing = list_files(tmp_path / "photos")
    assert listing.left_out == [("ben", "cannot be read (Permission denied)", True)]
    report = PhotoFolder(tmp_path / "photos").check()
    assert not report.usable and "ben: cannot be read (Permission denied)" in report.text()
    with pytest.raises(InputError, match=r"ben cannot be read \(Permission denied\); check the path"):
        list_files(tmp_path / "photos" / "ben")
    with pytest.raises(InputError, match="is not a folder"):
        list_files(tmp_path / "nowhere")


def test_litter_is_nobody_and_strays_undo_no_identities(tmp_path: Path) -> None:
    folder = people(tmp_path / "photos")
    add_litter(folder)
    add_litter(folder / "anna")
    photo(7, 64).save(folder / "stray.jpg")
    (folder / "notes.txt").write_text("mine")
    other = tmp_path / "disk"
    other.mkdir()
    photo(3, 64).save(other / "1.png")
    (folder / "carl").symlink_to(other)
    faces = idnb.load_faces(folder)
    assert faces.names.tolist() == ["anna/1.jpg", "anna/2.jpg", "ben/1.jpg", "carl/1.png"]
    assert faces.identities_known and faces.identity.tolist() == [0, 0, 1, 2]
    report = faces.check(decode=True)
    text = report.text()
    assert report.usable
    for line in (
        "stray.jpg: lies beside the folders of people",
        "notes.txt: is no picture",
        ".ipynb_checkpoints: is hidden or made by the system",
        "anna/._1.jpg: is hidden",
        "__MACOSX: is hidden",
    ):
        assert line in text, line


def test_more_loose_pictures_than_folders_have_know_no_people(tmp_path: Path) -> None:
    folder = people(tmp_path)
    for i in range(3):
        photo(i, 64).save(folder / f"{i}.jpg")
    faces = PhotoFolder(folder)
    assert len(faces) == 6 and not faces.identities_known


def test_bad_pictures_of_a_folder_are_listed(tmp_path: Path) -> None:
    folder = people(tmp_path)
    (folder / "ben" / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "ben" / "cut.webp").write_bytes(b"RIFF\x10\0\0\0WEBP")
    os.mkfifo(folder / "ben" / "pipe.png")
    report = PhotoFolder(folder).check()
    text = report.text()
    assert "gone.jpg: is not there" in text and "cut.webp: is cut off" in text and "pipe.png: is not a file" in text
    with pytest.raises(InputError, match=r"(?s)NOT usable.*\n.*idnb data check"):
        report.require()
    for sets in ((PhotoFolder(folder), None), (idnb.load_faces("test"), PhotoFolder(folder))):  # before a measuring
        with pytest.raises(
            InputError, match=r"(?s)gone\.jpg: is not there.*cut\.webp: is cut off|cut\.webp.*gone\.jpg"
        ):
            load_evaluation_set(sets[0], reference=sets[1])


def test_label_maps_of_no_photo_are_listed(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    photo(1, 64).save(tmp_path / "a.jpg")
    for name in ("a", "z"):
        Image.fromarray(label_map(0, 64)).save(tmp_path / "labels" / f"{name}.png")
    report = PhotoFolder(tmp_path).check()
    assert report.usable and "labels/z.png: is the label map of no photo" in report.text() and len(report.faults) == 1


def test_celebamask_with_litter_and_links(tmp_path: Path) -> None:
    tree = celebamask_tree(tmp_path / "CelebAMask-HQ", side=64)
    images, parts = tree / "CelebA-HQ-img", tree / "CelebAMask-HQ-mask-anno"
    (images / "5.jpg").mkdir()  # a folder that is called like a picture
    whole = CelebAMaskHQ(tree).label_maps(range(6))
    (parts / "0").rename(tmp_path / "disk")
    (parts / "0").symlink_to(tmp_path / "disk")
    add_litter(images)
    add_litter(parts)
    faces = CelebAMaskHQ(tree)
    assert len(faces) == 6 and torch.equal(faces.label_maps(range(6)), whole)
    text = faces.check(decode=True).text()
    assert "5.jpg: is a folder" in text and "__MACOSX: is hidden" in text and "usable: " in text


def test_rendered_sets_and_results_with_litter(tmp_path: Path) -> None:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "people.csv.gz").touch()
    Image.new("RGB", (32, 16)).save(tmp_path / "set" / "images" / "00000.png")
    before = set_checksum(tmp_path / "set")
    (tmp_path / "set" / "images" / "._00000.png").write_bytes(b"\0")
    (tmp_path / "set" / "images" / "._00000.webp").write_bytes(b"\0")
    assert read_strips(tmp_path / "set", 16, progress=False).shape == (2, 16, 16, 3)
    assert set_checksum(tmp_path / "set") == before
    (tmp_path / "runs").mkdir()
    shutil.copy(next(RESULTS.glob("table1/*.json")), tmp_path / "runs" / "a.json")
    (tmp_path / "runs" / "._a.json").write_bytes(b"\0\5\x16\7")
    (tmp_path / "runs" / "again").symlink_to(tmp_path / "runs")
    assert len(read_results(tmp_path / "runs")) == 1


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    faces = idnb.load_faces("test")
    for folder in ("contours", "identities"):
        (tmp_path / folder).mkdir()
        for i in range(2):
            Image.fromarray(faces.pixels([i])[0]).save(tmp_path / folder / f"{i}.png")
    return tmp_path / "contours", tmp_path / "identities"


def test_one_bad_picture_ends_no_run_of_many(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    contours, identities = folders
    add_litter(contours)
    (contours / "notes.txt").write_text("mine")
    (contours / "cut.webp").write_bytes(b"RIFF\x10\0\0\0WEBP")
    os.mkfifo(identities / "pipe.png")
    Image.new("RGB", (1, 1)).save(identities / "dot.png")
    out = tmp_path / "out"
    words = ["generate", "--contour", str(contours), "--contour-kind", "photo", "--as", "low_res", "--steps", "1"]
    assert main([*words, "--identity", str(identities), "--out", str(out)]) == 2
    made = sorted(path.name for path in out.glob("*.png") if "_steps" not in path.name)
    assert made == ["0__0.png", "0__1.png", "1__0.png", "1__1.png"]
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3 * len(made)
    lines = said.err.splitlines()
    assert "left out are" in lines[0] and "notes.txt (is no picture)" in lines[0] and "__MACOSX" in lines[0]
    assert "8 of 12 faces were not made" in said.err and "Traceback" not in said.err
    for words in (
        "cut.webp is damaged or cut off",
        "pipe.png is not a file",
        "dot.png has 1 pixels a side; a face has 16",
    ):
        assert words in said.err, words


def test_a_run_of_good_pictures_with_litter_succeeds(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    contours, identities = folders
    add_litter(identities)
    words = ["generate", "--contour", str(contours), "--contour-kind", "photo", "--as", "low_res", "--steps", "1"]
    assert main([*words, "--identity", str(identities), "--out", str(tmp_path / "out"), "--by-name"]) == 0
    assert "left out are .DS_Store (is hidden" in capsys.readouterr().err
    assert np.asarray(Image.open(tmp_path / "out" / "0.png")).std() > 5


def test_of_one_bad_file_there_is_one_line(folders: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    contours, _ = folders
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\0")
    words = ["generate", "--contour", str(contours / "0.png"), "--contour-kind", "photo", "--as", "low_res"]
    assert main([*words, "--identity", str(tmp_path / "cut.jpg"), "--out", str(tmp_path / "x.png")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not (tmp_path / "x.png").exists()
