"""`idnb generate`, `idnb figure` and the panels: which files meet, what is written, what bad input is told."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import idnb
from idnb.__main__ import main
from idnb.cli.generate import Pair, contour_of, find_pairs, read_contour, read_face, write_result
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.core.images import save_png, tile
from idnb.core.presets import TINY
from idnb.experiments.figures import choose_people, kinds_figure
from idnb.models.encoder import IdentityGuidedEncoder
from idnb.models.stylegan2 import Generator


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return Generator.from_preset(TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def faces():
    return idnb.load_faces("test")


@pytest.fixture
def face_file(faces, tmp_path):
    return save_png(faces.images([0])[0], tmp_path / "face.png")


def test_a_pair_becomes_three_files(generator, faces, face_file, tmp_path):
    torch.manual_seed(0)
    encoder = IdentityGuidedEncoder("low_res", TINY).eval()
    x_c, x_id = read_contour(face_file, "photo", TINY, "low_res"), read_face(face_file, 128)
    assert x_c.shape == (1, 3, 8, 8) and x_id.shape == (1, 3, 128, 128)
    result = encoder.generate(generator, x_c, x_id, 2)
    image, strip, latents = write_result(
        Pair(face_file, face_file, tmp_path / "out" / "a.png"), encoder, x_c, x_id, result
    )
    assert [path.name for path in (image, strip, latents)] == ["a.png", "a_steps.png", "a.safetensors"]
    assert Image.open(image).size == (128, 128)
    assert Image.open(strip).size == (4 * 128 + 3 * 2, 128)
    stored = load_file(str(latents))
    assert torch.equal(stored["w_plus"], result.w_plus[0]) and stored["input_latent"].shape == (2, 256, 4, 4)


def test_contours_of_every_kind_from_files(faces, face_file, tmp_path):
    sketch = contour_kind("sketch").make(faces.images([0]))
    drawn = save_png(contour_kind("sketch").display(sketch, 128)[0], tmp_path / "sketch.png")
    assert read_contour(drawn, "sketch", TINY).shape == (1, 1, 64, 64)
    assert read_contour(face_file, "photo", TINY, "sketch").shape == (1, 1, 128, 128)
    labels = tmp_path / "labels.png"
    Image.fromarray(faces.label_maps([0])[0].numpy().astype(np.uint8)).save(labels)
    assert read_contour(labels, "label_map", TINY).shape == (1, 64, 64)
    assert read_contour(face_file, "low_res", TINY).shape == (1, 3, 8, 8)


def test_which_files_meet(tmp_path):
    for folder, names in (("c", "ab"), ("i", "abz")):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.new("RGB", (8, 8)).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "c" / "notes.txt").write_text("no picture")
    c, i, out = tmp_path / "c", tmp_path / "i", tmp_path / "out"
    assert [p.out.name for p in find_pairs(c / "a.png", i / "z.png", tmp_path / "x.png")] == ["x.png"]
    assert [p.out.name for p in find_pairs(c / "a.png", i / "z.png", tmp_path)] == ["a__z.png"]
    every = [f"{a}__{b}.png" for a in "ab" for b in "abz"]
    assert [p.out.name for p in find_pairs(c, i, out)] == every
    assert [p.out.name for p in find_pairs(c / "a.png", i, out)] == every[:3]
    assert [(p.contour.name, p.identity.name) for p in find_pairs(c, i, out, by_name=True)] == [
        ("a.png", "a.png"),
        ("b.png", "b.png"),
    ]
    with pytest.raises(InputError, match=r"--by-name: .*c has no picture called like z\.png"):
        find_pairs(i, c, out, by_name=True)
    with pytest.raises(InputError, match="several faces are made; give a folder"):
        find_pairs(c, i, tmp_path / "x.png")
    with pytest.raises(InputError, match=r"a file that ends in \.png"):
        find_pairs(c / "a.png", i / "a.png", tmp_path / "x.jpg")
    with pytest.raises(InputError, match=r"--identity .*nobody: no such file or folder"):
        find_pairs(c, tmp_path / "nobody", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"--contour .*empty: no picture in this folder"):
        find_pairs(tmp_path / "empty", i, out)
    with pytest.raises(InputError, match="two folders then"):
        find_pairs(c / "a.png", i, out, by_name=True)


def test_a_name_that_two_pictures_share_is_told(tmp_path):
    for folder, names in (("c", ["x.png"]), ("i", ["x.png", "x.jpg"])):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.new("RGB", (8, 8)).save(tmp_path / folder / name)
    c, i = tmp_path / "c", tmp_path / "i"
    for first, second in ((c, i), (i, c)):
        with pytest.raises(InputError, match=r"--by-name: .*i has more than one picture of a name: x\.jpg, x\.png"):
            find_pairs(first, second, tmp_path / "out", by_name=True)


def test_no_file_is_lost(face_file, tmp_path, capsys):
    def generate(contour, identity, out, *more) -> str:
        words = ["generate", "--contour", str(contour), "--contour-kind", "photo", "--as", "low_res"]
        words += ["--identity", str(identity), "--out", str(out), "--device", "cpu", "--steps", "1", *map(str, more)]
        code = main(words)
        said = capsys.readouterr()
        assert code == (2 if said.err.startswith("idnb: ") else 0) and said.err.count("\n") <= 1
        return said.err

    before = face_file.read_bytes()
    link, hard, other = tmp_path / "link.png", tmp_path / "hard.png", tmp_path / "other.png"
    link.symlink_to(face_file)
    hard.hardlink_to(face_file)
    shutil.copyfile(face_file, other)
    folders = {name: tmp_path / name for name in ("c", "i")}
    for name, files in (("c", ["a.png", "p.png", "p_steps.png"]), ("i", ["p.png", "p_steps.png", "a.png"])):
        folders[name].mkdir()
        for file in files:
            shutil.copyfile(face_file, folders[name] / file)
    # an input, by its own name and by others, whatever is said of overwriting
    for out in (face_file, link, hard):
        assert "would be written over the input" in generate(face_file, other, out, "--overwrite")
        assert "would be written over the input" in generate(other, face_file, out, "--overwrite")
    steps = tmp_path / "face_steps.png"
    shutil.copyfile(face_file, steps)
    assert "face_steps.png would be written over the input" in generate(
        steps, other, tmp_path / "face.png", "--overwrite"
    )
    weights = tmp_path / "new.safetensors"
    weights.write_bytes(b"weights")
    assert "over the input" in generate(other, other, tmp_path / "new.png", "--encoder", weights, "--overwrite")
    assert "over the input" in generate(other, other, tmp_path / "new.png", "--generator", weights, "--overwrite")
    # results among themselves
    for more in ([], ["--by-name"]):
        told = generate(folders["c"], folders["i"], tmp_path / "out", *more)
        assert "p_steps.png would both be written there" in told or "p.png would both be written there" in told
    for folder in folders.values():
        (folder / "p_steps.png").unlink()
    shutil.copyfile(face_file, folders["c"] / "a.jpg")
    assert "a.jpg with a.png and a.png with a.png would both" in generate(folders["c"], folders["i"], tmp_path / "out")
    # the folder of inputs
    for option, (c, i) in {"--contour": (folders["c"], other), "--identity": (other, folders["i"])}.items():
        for more in ([], ["--overwrite"]):
            assert f"is the folder of {option}" in generate(c, i, folders["c" if option == "--contour" else "i"], *more)
    # files that were there
    weights.unlink()
    (tmp_path / "new_steps.png").write_bytes(b"mine")
    assert "new_steps.png is there already; add --overwrite" in generate(other, other, tmp_path / "new.png")
    (tmp_path / "d_steps.png").mkdir()
    assert "d_steps.png is a folder" in generate(other, other, tmp_path / "d.png", "--overwrite")
    assert not (tmp_path / "out").exists() and (tmp_path / "new_steps.png").read_bytes() == b"mine"
    assert face_file.read_bytes() == other.read_bytes() == before and not (tmp_path / "new.png").exists()
    # and what is asked for is done
    assert generate(other, other, tmp_path / "new.png", "--overwrite") == ""
    assert Image.open(tmp_path / "new_steps.png").height == 128 and weights.is_file()
    assert "new.png is there already (and 2 more)" in generate(other, other, tmp_path / "new.png")


def test_bad_input_names_the_remedy(face_file, tmp_path):
    with pytest.raises(InputError, match="say with --as which contour"):
        contour_of("photo", None)
    with pytest.raises(InputError, match="only for --contour-kind photo"):
        contour_of("sketch", "low_res")
    wide = save_png(torch.zeros(3, 20, 40), tmp_path / "wide.png")
    with pytest.raises(InputError, match=r"wide\.png is 40 x 20, not an aligned face; add --align"):
        read_face(wide, 128)
    small = save_png(torch.zeros(3, 20, 20), tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png has 20 pixels a side"):
        read_contour(small, "photo", TINY, "sketch")


def test_the_command_without_weights_says_so(face_file, tmp_path, capsys):
    words = ["generate", "--contour", str(face_file), "--contour-kind", "photo", "--as", "low_res"]
    words += ["--identity", str(face_file), "--out", str(tmp_path / "x.png"), "--encoder", str(tmp_path / "no.pt")]
    assert main(words) == 2
    assert "no.pt: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["low_res", "sketch", "label_map"])
def test_the_bundled_encoders_answer(kind, face_file, tmp_path, capsys):
    words = ["generate", "--contour", str(face_file), "--contour-kind", "photo", "--as", kind]
    assert main([*words, "--identity", str(face_file), "--out", str(tmp_path / "x.png")]) == 0
    assert len(capsys.readouterr().out.split()) == 3


def test_figure_of_kinds(generator, faces):
    contours, identities = choose_people(faces, 4, 3, seed=1)
    again = choose_people(faces, 4, 3, seed=1)
    assert np.array_equal(contours, again[0]) and np.array_equal(identities, again[1])
    shown = faces.identity[np.concatenate([contours, identities])]
    assert len(np.unique(shown)) == 7
    encoders = [IdentityGuidedEncoder(kind, TINY).eval() for kind in ("sketch", "label_map")]
    figure = kinds_figure(encoders, generator, faces, contours, identities, steps=1)
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 3 + 4 * (1 + 3)
    assert "4 rows of contours (sketch, label map), 3 columns" in figure.get_label()
    with pytest.raises(InputError, match="the set has"):
        choose_people(faces, 5000, 3, seed=1)


def test_a_table_of_pictures():
    table = tile([[torch.zeros(3, 2, 2), None], [torch.full((3, 8, 8), 2.0), torch.zeros(3, 4, 4)]], side=4, gap=1)
    assert table.shape == (3, 9, 9)
    assert table[0, 0, 0] == 0 and table[0, 0, 8] == 1 and table[0, 8, 0] == 1 and table[0, 8, 8] == 0
    with pytest.raises(InputError, match="no picture"):
        tile([[]], side=4)
