"""What lies on disk between two commands, damaged or edited: sets, the pair cache, parts of runs, results, pairs."""

import gzip
import io
import json
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from idnb.core.errors import InputError
from idnb.core.lock import locked
from idnb.core.presets import TINY
from idnb.evaluation.protocol import evaluate
from idnb.evaluation.results import read_result
from idnb.evaluation.setting import Setting
from idnb.evaluation.store import RESULTS, chunk_path, claim, load_chunks, save_chunk, save_columns
from idnb.experiments.ablation import Budget, describe, finished, run_variant, take_over
from idnb.experiments.stored import read_results
from idnb.experiments.variants import TABLES
from idnb.faces.celeba_split import read_identities, read_mapping
from idnb.faces.pairs import draw_pairs, load_pairs, save_pairs
from idnb.faces.photo_folder import PhotoFolder
from idnb.faces.set_files import read_strip, read_table
from idnb.faces.sources import load_faces
from idnb.faces.synthetic import BUNDLED_SETS, Faces
from idnb.training.logs import CsvLog
from idnb.training.pair_data import read_pair_data
from tests.evaluation_people import colour_set


def silent(text):
    pass


@pytest.fixture
def people(tmp_path):
    """Two people of the bundled test set, as a set of their own without a checksum."""
    folder = tmp_path / "people"
    for name, suffix in (("images", "webp"), ("labels", "png")):
        (folder / name).mkdir(parents=True)
        for i in range(2):
            shutil.copy(BUNDLED_SETS / "test" / name / f"{i:05d}.{suffix}", folder / name)
    rows = gzip.decompress((BUNDLED_SETS / "test" / "people.csv.gz").read_bytes()).decode().splitlines()
    (folder / "people.csv.gz").write_bytes(gzip.compress("\n".join(rows[:9]).encode()))
    card = json.loads((BUNDLED_SETS / "test" / "card.json").read_text())
    card.pop("sha256")
    (folder / "card.json").write_text(json.dumps({**card, "identities": 2}))
    return folder


@pytest.fixture
def photos(tmp_path):
    """Four photos of noise with label maps."""
    folder, random = tmp_path / "photos", np.random.default_rng(0)
    for i in range(4):
        picture = folder / f"p{i % 2}" / f"{i}.png"
        labels = folder / "labels" / f"p{i % 2}" / f"{i}.png"
        for path in (picture, labels):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(picture)
        values = np.ones((64, 64), np.uint8)
        values[:20], values[50:] = 13, 17
        Image.fromarray(values).save(labels)
    return folder


def edit(path, old, new):
    """Change a class in a map without another size or date of the file."""
    state = path.stat()
    values = np.asarray(Image.open(path)).copy()
    values[values == old] = new
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_the_cache_sees_edited_label_maps_of_photos(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))

    def classes():
        faces = PhotoFolder(photos, order="celebamask")
        return set(read_pair_data([faces], "label_map", TINY, report=silent).contours.unique().tolist())

    assert classes() == classes() == {1, 13, 17}
    for path in (photos / "labels").rglob("*.png"):
        edit(path, 13, 14)
    assert classes() == {1, 14, 17}


def test_the_cache_sees_edited_maps_and_pictures_of_rendered_sets(people, tmp_path, monkeypatch):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))
    first = read_pair_data([load_faces(people)], "label_map", TINY, report=silent)
    for path in (people / "labels").iterdir():
        edit(path, 1, 18)
    second = read_pair_data([load_faces(people)], "label_map", TINY, report=silent)
    assert (first.contours == 1).any() and not (second.contours == 1).any()
    shutil.copy(people / "images" / "00000.webp", people / "images" / "00001.webp")
    third = read_pair_data([load_faces(people)], "label_map", TINY, report=silent)
    assert not torch.equal(third.photos, second.photos)


def test_a_damaged_file_of_the_cache_is_made_again(people, tmp_path, monkeypatch):
    monkeypatch.setenv("IDNB_CACHE", str(tmp_path / "cache"))
    faces = load_faces(people)
    first = read_pair_data([faces], "low_res", TINY, report=silent)
    (path,) = (tmp_path / "cache" / "pairs").glob("*.pt")
    whole = path.read_bytes()
    place = len(whole) // 2  # among the photos
    stored = torch.load(path, weights_only=True)
    damaged = [b"", whole[:500], whole[:-1], whole[:place] + bytes(64) + whole[place + 64 :]]
    changed = [{}, [1], {**stored, "photos": stored["photos"][1:]}, {**stored, "identity": stored["identity"] + 1}]
    for content in [*damaged, *changed, {**stored, "photos": 3}, {**stored, "contours": torch.zeros(())}]:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        again = read_pair_data([faces], "low_res", TINY, report=silent)
        assert torch.equal(again.photos, first.photos) and torch.equal(again.contours, first.contours)


def test_strips_are_looked_at_when_they_are_read(people):
    size = Faces(people).image_size
    image, label = people / "images" / "00000.webp", people / "labels" / "00000.png"
    values = np.asarray(Image.open(label)).copy()
    values[3, 3] = 19
    Image.fromarray(values).save(label)
    with pytest.raises(InputError, match=r"00000\.png is damaged \(it holds class 19; they end at 18\).*delete it"):
        Faces(people).label_maps([0])
    Image.fromarray(values[:, : size * 3]).save(label)
    with pytest.raises(InputError, match=r"class 19"):
        read_strip(label, size)
    for shape in ((size, size * 4 - 1, 3), (size // 2, size * 4, 3)):
        Image.fromarray(np.zeros(shape, np.uint8)).save(image, lossless=True)
        with pytest.raises(InputError, match=rf"is {shape[1]} x {shape[0]}, where shots of {size} px belong"):
            Faces(people).images([0])
    Image.fromarray(np.zeros((size, size, 3), np.uint8)).save(image, lossless=True)
    with pytest.raises(InputError, match=r"has no shot 1"):
        Faces(people).images([1])


def test_a_set_that_was_changed_is_noticed_when_it_is_opened(tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(BUNDLED_SETS / "test", folder)
    assert len(load_faces(folder)) == 1200
    edit(folder / "labels" / "00007.png", 1, 2)
    with pytest.raises(InputError, match=r"copy: files are missing or changed since it was rendered.*take sha256 out"):
        load_faces(folder)
    card = json.loads((folder / "card.json").read_text())
    card.pop("sha256")
    (folder / "card.json").write_text(json.dumps(card))
    assert len(load_faces(folder)) == 1200


@pytest.mark.parametrize(
    "change", [{"size": "128"}, {"size": 5}, {"size": True}, {"size": 10**9}, {"shots": None}, {"sha256": 3}]
)
def test_damaged_cards(people, change):
    card = json.loads((people / "card.json").read_text())
    (people / "card.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(InputError, match=r"card\.json is damaged .*render the set again"):
        load_faces(people)
    for text in ("", "{", "[]", "3", "null", "[" * 100_000, '{"size": 128'):
        (people / "card.json").write_text(text)
        with pytest.raises(InputError, match=r"card\.json is damaged .*render the set again"):
            load_faces(people)


def test_damaged_tables(people):
    table = people / "people.csv.gz"
    whole = table.read_bytes()
    text = gzip.decompress(whole).decode()
    damaged = [b"", whole[:30], whole[:-4], whole[:100] + b"\xff\xff\xff" + whole[103:], b"\x1f\x8b" + bytes(50)]
    rows = ["identity,shot\n-1,0\n", "identity,shot\n0,x\n", "identity,shot\n99999999999999999999,0\n", "a,b\n1,2\n"]
    rows += [text.replace("identity", "id"), "identity,shot\n" + "1" * 200_000 + ",0\n", "identity,shot,a\n0,0,\x00\n1"]
    for content in [*damaged, *(gzip.compress(row.encode()) for row in rows), gzip.compress(b"\xff\xfe")]:
        table.write_bytes(content)
        with pytest.raises(InputError, match=r"people\.csv\.gz is damaged"):
            read_table(table)
    table.write_bytes(gzip.compress(b"identity,shot\n" + b"0,0\n" * 10_000_000))
    with pytest.raises(InputError, match="unpacks to far more"):
        read_table(table)


def run(out, **options):
    """A measured run of a few pairs."""

    class Same:
        def generate(self, generator, x_c, x_id, steps):
            from types import SimpleNamespace

            return SimpleNamespace(images=x_id[:, None])

    return evaluate(Same(), None, colour_set(), Setting("same", contours=4, count=3), out, progress=False, **options)


def test_damaged_parts_of_a_run(tmp_path):
    run(tmp_path, shard=(0, 2))
    path = chunk_path(tmp_path, 0)
    whole = path.read_bytes()
    columns = next(iter(load_chunks(tmp_path, [12])))
    for content in (b"", whole[:200], whole[:-30], whole[:300] + bytes(20) + whole[320:], b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"chunk_00000\.npz is damaged .*delete it"):
            list(load_chunks(tmp_path, [12]))
    short = {key: value[:5] for key, value in columns.items()}
    for wrong in (short, {}, {**columns, "contour": np.array(3)}, {"a": np.array(["x"] * 12)}):
        save_columns(path, wrong)
        with pytest.raises(InputError, match=r"chunk_00000\.npz is damaged"):
            list(load_chunks(tmp_path, [12]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**10,)})
        archive.writestr("a.npy", header.getvalue() + bytes(100))
    with pytest.raises(InputError, match=r"is no column of numbers"):
        list(load_chunks(tmp_path, [12]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(300 << 20))
    with pytest.raises(InputError, match=r"unpacks to too much"):
        list(load_chunks(tmp_path, [12]))


def test_parts_of_another_run_and_two_runs_at_once(tmp_path):
    run(tmp_path, shard=(0, 2))
    columns = next(iter(load_chunks(tmp_path, [12])))
    save_columns(chunk_path(tmp_path, 0), {name: value for name, value in columns.items() if name != "psnr"})
    with pytest.raises(InputError, match=r"chunk_00000\.npz is damaged .*delete it"):
        run(tmp_path)
    save_chunk(tmp_path, 0, {**columns, "identity": columns["identity"][::-1]})
    with pytest.raises(InputError, match=r"its parts \(chunk_\*\.npz\) are of other pairs; delete them"):
        run(tmp_path)
    save_chunk(tmp_path, 0, columns)
    with locked(tmp_path), pytest.raises(InputError, match=r"process \d+ on .* is measuring into this folder; wait"):
        run(tmp_path)
    assert run(tmp_path)["pairs"] == 12 and not list(tmp_path.glob("chunk_*"))


def test_damaged_notes_and_results_of_a_run(tmp_path):
    run(tmp_path)
    for name in ("result.json", "setting.json"):
        whole = (tmp_path / name).read_text()
        for text in ("", whole[:100], "[]", "7", "\x00"):
            (tmp_path / name).write_text(text)
            with pytest.raises(InputError, match=rf"{name} is damaged"):
                run(tmp_path)
        (tmp_path / name).write_text(whole)
    assert run(tmp_path)["pairs"] == 12
    data, pairs = colour_set(), draw_pairs(colour_set().identity, count=2)
    (tmp_path / "pairs.csv").write_text("")
    with pytest.raises(InputError, match=r"pairs\.csv"):
        claim(tmp_path, json.loads((tmp_path / "setting.json").read_text()), pairs, data)


def change(tree, path, value):
    """A copy of nested objects with one entry replaced, or taken out for `...`."""
    copy = json.loads(json.dumps(tree))
    *way, last = path.split("/")
    inner = copy
    for key in way:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copy


def test_stored_results_are_looked_at(tmp_path):
    source = next(RESULTS.glob("table1/*.json"))
    whole, path = json.loads(source.read_text()), tmp_path / "a.json"
    path.write_text(json.dumps(whole))
    assert len(read_results(tmp_path)) == 1 and read_result(path) == whole
    judge = next(iter(whole["distributions"]))
    ways = [
        "setting/method",
        "setting/kind",
        "set",
        "names/perceptual",
        "people",
        "pairs",
        "parameters",
        "distributions",
    ]
    ways += [
        "oracle/frechet",
        f"distributions/{judge}/same",
        f"distributions/{judge}/rank1",
        f"distributions/{judge}/strangers/q25",
    ]
    for way in ways:
        for value in (..., None if "rank1" not in way else "x", ["x"]):
            if value is ... or value != whole.get(way):
                path.write_text(json.dumps(change(whole, way, value)))
                with pytest.raises(InputError, match=r"a\.json is damaged .*idnb evaluate"):
                    read_results(tmp_path)
    others = {
        "metrics/perceptual/value": "0.1",
        "setting/colour": 1,
        "setting/contour_size": "8",
        "training": None,
    }
    for way, value in others.items():
        path.write_text(json.dumps(change(whole, way, value)))
        with pytest.raises(InputError, match=r"a\.json is damaged"):
            read_results(tmp_path)


def test_an_arm_that_is_finished_is_so_without_its_log(tmp_path):
    assert not finished(tmp_path, 4)
    torch.save({"images": 4}, tmp_path / "checkpoint.pt")
    for text in (b"", b"\xff\x00", b"step,images\n0,none\n"):
        (tmp_path / "log.csv").write_bytes(text)
        assert finished(tmp_path, 4) and not finished(tmp_path, 5)
    for images in ("4", None, -1):
        torch.save({"images": images}, tmp_path / "checkpoint.pt")
        with pytest.raises(InputError, match=r"checkpoint\.pt: damaged"):
            finished(tmp_path, 4)


def test_damaged_notes_of_an_arm(tmp_path):
    variant, budget = TABLES["table2"][0], Budget(images=4)
    folder = tmp_path / f"{variant.name}_seed0"
    folder.mkdir()
    (folder / "variant.json").write_text("{")
    with pytest.raises(InputError, match=r"variant\.json is damaged .*another --out"):
        run_variant(variant, 0, budget, None, [], None, tmp_path)
    store = tmp_path / "store" / "losses"
    store.mkdir(parents=True)
    (store / "full_seed0.json").write_text("[1]")
    with pytest.raises(InputError, match=r"full_seed0\.json is damaged"):
        take_over(tmp_path / "store", "table2", variant, describe(variant, 0, budget, "tiny"))


def test_a_damaged_log_stops_no_run(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"step,loss\n0,1.5\n\xff\xfe\x00,\n\xc2\xb2,3\n1,\n9999999999999999999,1\n2,5\n3\n" + b'"' * 9)
    CsvLog(path, ("step", "loss"), 2)
    assert path.read_text().split() == ["step,loss", "0,1.5", "1,"]


def test_numbers_beyond_64_bits(tmp_path):
    path = save_pairs(draw_pairs([0, 0, 1, 1], count=2), tmp_path / "pairs.csv")
    head, columns, first, *rest = path.read_text().splitlines()
    about = json.loads(head.removeprefix("# "))
    lines = [[head, columns, f"{10**30},1", *rest], [head, columns, "1e3,1", *rest], ["# []", columns, first]]
    for wrong in ({"n_images": "4"}, {"n_images": None}, {"short": [10**30]}, {"count": []}, {"pairs": "8"}, {"x": 1}):
        lines.append([f"# {json.dumps({**about, **wrong})}", columns, first, *rest])
    lines.append(["# " + "[" * 100_000, columns, first])
    for content in lines:
        path.write_text("\n".join(content))
        with pytest.raises(InputError, match=r"pairs\.csv"):
            load_pairs(path)
    (tmp_path / "people.txt").write_text(f"a.jpg {10**30}\n")
    with pytest.raises(InputError, match=r"people\.txt, line 1"):
        read_identities(tmp_path / "people.txt")
    (tmp_path / "mapping.txt").write_text(f"{10**30} 0 000001.jpg\n")
    with pytest.raises(InputError, match=r"mapping\.txt, line 1"):
        read_mapping(tmp_path / "mapping.txt")


def test_render_makes_cut_strips_again(tmp_path):
    pytest.importorskip("anny")
    from idnb.faces.render.sets import SetPlan, make_set

    plan, folder = SetPlan(identities=2, shots=2, seed=5, size=32), tmp_path / "set"
    expected = make_set(plan, folder)["sha256"]
    strips = [folder / "images" / "00000.webp", folder / "labels" / "00001.png"]
    whole = [path.read_bytes() for path in strips]
    strips[0].write_bytes(whole[0][:-40])
    Image.fromarray(np.full((32, 64), 200, np.uint8)).save(strips[1])
    assert make_set(plan, folder)["sha256"] == expected
    assert [path.read_bytes() for path in strips] == whole
    edit(strips[1], 1, 2)
    with pytest.raises(InputError, match="files are missing or changed since it was rendered"):
        make_set(plan, folder)
