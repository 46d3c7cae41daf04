"""The web page's numbers, computed by node, beside those of Python on ten pictures. Skipped where there is no node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import idnb
from idnb.contours.kinds import CONTOURS, contour_kind
from idnb.contours.line_art import draw_from_image
from idnb.core.images import to_image
from idnb.core.resize import gaussian_blur, resize
from idnb.faces.labels import LABEL_NAMES, LABEL_PALETTE
from tools.notebook_files import REPO

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed (version 20 or newer)")

ROWS = tuple(range(7, 1200, 120))  # ten pictures
SOURCES = REPO / "web" / "src" / "numbers"


def node(folder: Path, script: str) -> None:
    """Run a script that may use `load(name, shape)`, `save(name, array)` and everything under web/src/numbers."""
    names = ("resize", "lineart", "contours", "strokes", "random", "safetensors")
    lines = [f"import * as {name} from {json.dumps((SOURCES / f'{name}.js').as_uri())};" for name in names]
    head = """
import fs from 'node:fs';
const folder = %s;
const bytes = (name) => new Uint8Array(fs.readFileSync(folder + '/' + name)).buffer;
const load = (name, c, h, w) => ({ data: new Float32Array(bytes(name)), c, h, w });
const labels = (name, h, w) => ({ data: new Uint8Array(bytes(name)), h, w });
const save = (name, array) =>
  fs.writeFileSync(folder + '/' + name, Buffer.from(array.buffer, array.byteOffset, array.byteLength));
const names = %s; const colours = %s;
"""
    text = "\n".join(lines) + head % tuple(
        json.dumps(x) for x in (str(folder), LABEL_NAMES, np.asarray(LABEL_PALETTE).tolist())
    )
    (folder / "script.mjs").write_text(text + script, encoding="utf-8")
    done = subprocess.run([str(NODE), str(folder / "script.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def read(folder: Path, name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(folder / name, np.float32).reshape(shape))


@pytest.fixture(scope="module")
def pictures() -> Any:
    faces = idnb.load_faces("test")
    return faces.images(ROWS), faces.label_maps(ROWS)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, pictures: Any) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    images, label_maps = pictures
    for i in range(len(ROWS)):
        images[i].numpy().tofile(folder / f"image{i}")
        label_maps[i].numpy().astype(np.uint8).tofile(folder / f"labels{i}")
        pixels = np.asarray(to_image(images[i]).convert("RGBA"))
        pixels.tofile(folder / f"bytes{i}")
    script = """
for (let i = 0; i < %d; i += 1) {
  const image = load(`image${i}`, 3, 128, 128);
  const map = labels(`labels${i}`, 128, 128);
  const small = resize.nearest(map, 64);
  save(`bytes_image${i}`, resize.fromBytes(new Uint8Array(bytes(`bytes${i}`)), 128, 128).data);
  save(`image_bytes${i}`, resize.toBytes(image));
  for (const side of [8, 37, 200]) save(`bicubic${side}_${i}`, resize.resizeBicubic(image, side).data);
  for (const side of [64, 48, 160]) save(`to_size${side}_${i}`, resize.toSize(image, side).data);
  save(`nearest${i}`, Float32Array.from(resize.nearest(map, 50).data));
  save(`blur${i}`, resize.gaussianBlur(image, 1.7).data);
  if (i < 3) {
    save(`lines${i}`, lineart.drawFromImage(image).data);
    save(`lines_small_labels${i}`, lineart.drawFromLabels(image, small, names).data);
  }
  for (const kind of ['low_res', 'sketch', 'label_map']) {
    const made = contours.makeContour(kind, image, map, names, 8);
    save(`${kind}_made${i}`, Float32Array.from(made.data));
    save(`${kind}_input${i}`, contours.networkInput(kind, made, 64, names.length).data);
    save(`${kind}_shown${i}`, contours.display(kind, made, 128, colours).data);
  }
}
"""
    node(folder, script % len(ROWS))
    return folder


NUMBERS = range(len(ROWS))


@pytest.mark.parametrize("i", NUMBERS)
def test_pixels_and_sizes(answers, pictures, i):
    image = pictures[0][i : i + 1]
    assert torch.equal(read(answers, f"bytes_image{i}", 1, 3, 128, 128), image)
    shown = np.fromfile(answers / f"image_bytes{i}", np.uint8).reshape(128, 128, 4)
    assert np.array_equal(shown[..., :3], np.asarray(to_image(image[0])))
    for side in (8, 37, 200):  # torch rounds the places of new pixels to 32 bit: a 400th of a grey value
        found = read(answers, f"bicubic{side}_{i}", 1, 3, side, side)
        torch.testing.assert_close(found, resize(image, side, "bicubic"), rtol=0, atol=2e-5)
    for side in (64, 48, 160):
        found = read(answers, f"to_size{side}_{i}", 1, 3, side, side)
        torch.testing.assert_close(found, resize(image, side), rtol=0, atol=2e-5 if side > 128 else 2e-6)
    torch.testing.assert_close(read(answers, f"blur{i}", 1, 3, 128, 128), gaussian_blur(image, 1.7), rtol=0, atol=2e-6)


@pytest.mark.parametrize("i", NUMBERS)
def test_contours(answers, pictures, i):
    image, label_map = (part[i : i + 1] for part in pictures)
    for kind in CONTOURS:
        chosen = contour_kind(kind, size=8) if kind == "low_res" else contour_kind(kind)
        made = chosen.make(image, label_map)
        shape = made.shape if kind != "label_map" else (1, 128, 128)
        # The logarithm in the line art makes rounding visible: 2e-6 before it are up to 1e-4 of ink after it.
        tolerance = {"low_res": 2e-6, "sketch": 1e-3, "label_map": 0}[kind]
        found = read(answers, f"{kind}_made{i}", *shape)
        torch.testing.assert_close(found, made.float(), rtol=0, atol=tolerance)
        seen = read(answers, f"{kind}_input{i}", 1, chosen.channels, 64, 64)
        torch.testing.assert_close(seen, chosen.network_input(made, 64), rtol=0, atol=2 * tolerance)
        display = chosen.display(made, 128)
        shown = read(answers, f"{kind}_shown{i}", 1, -1, 128, 128)
        torch.testing.assert_close(shown.expand_as(display), display, rtol=0, atol=max(2 * tolerance, 1e-6))
    assert torch.equal(read(answers, f"nearest{i}", 1, 50, 50), _nearest(label_map, 50))


def _nearest(label_map: torch.Tensor, size: int) -> torch.Tensor:
    """Through the public door: the classes that the network would read at another size."""
    return contour_kind("label_map").network_input(label_map, size).argmax(1).float()


@pytest.mark.parametrize("i", NUMBERS[:3])
def test_line_art_of_own_pictures(answers, pictures, i):
    image, label_map = (part[i : i + 1] for part in pictures)
    found = read(answers, f"lines{i}", 1, 1, 128, 128)
    torch.testing.assert_close(found, draw_from_image(image), rtol=0, atol=1e-3)
    small = _nearest(label_map, 64).long()  # what the parser gives
    found = read(answers, f"lines_small_labels{i}", 1, 1, 128, 128)
    torch.testing.assert_close(found, contour_kind("sketch").make(image, small), rtol=0, atol=1e-3)


def test_crops_strokes_links_and_seeds(tmp_path):
    node(
        tmp_path,
        """
const assert = (truth, what) => { if (!truth) throw new Error(what); };
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
assert(same(resize.squareCrop(300, 200), { left: 50, top: 0, side: 200 }), 'the middle');
assert(same(resize.squareCrop(300, 200, 2, 1, -1), { left: 200, top: 0, side: 100 }), 'a corner');
const paper = { data: new Float32Array(400).fill(1), c: 1, h: 20, w: 20 };
const stroke = { v: 0, r: 2, p: [4, 10, 16, 10] };
const drawn = strokes.withStrokes('sketch', paper, [stroke]);
assert(drawn.data[10 * 20 + 10] === 0 && drawn.data[3 * 20 + 10] === 1 && paper.data[210] === 1, 'ink');
const dark = drawn.data.filter((v) => v < 0.5).length;
assert(Math.abs(dark - (12 * 4 + Math.PI * 4)) < 8, 'area ' + dark);
const sheet = { data: new Uint8Array(400), h: 20, w: 20 };
const classes = new Set(strokes.withStrokes('label_map', sheet, [{ ...stroke, v: 13 }]).data);
assert(same([...classes].sort(), [0, 13]), 'classes are never mixed');
assert(same(strokes.strokesFromText(strokes.strokesToText([stroke, { v: 255, r: 1.25, p: [-1, 3] }])),
  [stroke, { v: 255, r: 1.25, p: [-1, 3] }]), 'there and back');
assert(strokes.strokesFromText('x.y_1.2_').length === 0, 'what is no stroke');
const z = random.normal(7, 20000);
const mean = z.reduce((a, b) => a + b) / z.length; const square = z.reduce((a, b) => a + b * b, 0) / z.length;
assert(Math.abs(mean) < 0.03 && Math.abs(square - 1) < 0.05, 'normal ' + mean + ' ' + square);
assert(same([...random.normal(7, 3)], [...z.slice(0, 3)]) && random.normal(8, 1)[0] !== z[0], 'seeds');
""",
    )
