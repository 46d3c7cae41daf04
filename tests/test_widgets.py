"""The labs as objects, without a browser: every control does something, errors are words, nothing queues up."""

import asyncio
import io
import json
import re

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image
from widget_parts import untrained_session

import idnb
from idnb.contours.kinds import contour_kind
from idnb.core.errors import InputError
from idnb.plots.style import as_picture
from idnb.widgets import DrawingPad, DrawLab, FaceLab, Gallery, MixLab, SampleLab, StyleMixLab
from idnb.widgets.drawing import paint_strokes
from idnb.widgets.parts import Latest, Panel, difference, download_links, panels_html, png_bytes, scale_html
from idnb.widgets.sample_labs import layer_titles
from idnb.widgets.uploads import UploadBox, face_from_bytes, uploaded_files


@pytest.fixture(scope="module")
def session():
    return untrained_session()


@pytest.fixture(scope="module")
def faces():
    return idnb.load_faces("test")


# --- parts ----------------------------------------------------------------------------------------------------------


def test_panels_carry_text_for_those_who_cannot_see_them():
    html = panels_html([Panel(torch.zeros(3, 8, 8), 'a "title"', "RMS <1>"), Panel(torch.zeros(3, 128, 128), "b")])
    assert html.count("<img") == 2 and 'alt="a &quot;title&quot;. RMS &lt;1&gt;"' in html
    assert html.count("pixelated") == 1  # small pictures keep their blocks


def test_pictures_outside_the_range_are_cut_off_and_differences_are_dark_where_equal():
    assert png_bytes(torch.full((3, 4, 4), 1.7))[:4] == b"\x89PNG"
    a = torch.zeros(3, 4, 4)
    assert difference(a, a).max() == -1 and difference(a + 0.5, a).min() > -0.5


def test_a_download_carries_its_settings():
    html = download_links(torch.zeros(3, 8, 8), {"strength": 1.0}, "face")
    urls = re.findall(r'href="data:[^;]+;base64,([^"]+)"', html)
    import base64

    picture, settings = (base64.b64decode(url) for url in urls)
    assert json.loads(settings)["strength"] == 1.0
    assert json.loads(Image.open(io.BytesIO(picture)).text["idnb"])["strength"] == 1.0
    assert 'download="face.png"' in html and 'download="face.json"' in html


def test_a_score_stands_on_its_bands():
    html = scale_html(0.4, {"strangers": (-0.1, 0.3), "same person": (0.5, 0.9)}, "IDSIM")
    assert "strangers -0.10 to 0.30" in html and "<b>0.40</b>" in html


def test_stale_requests_become_one():
    done = []

    async def drag():
        latest = Latest(lambda: done.append(len(done)))
        for _ in range(50):
            latest.request()
        await asyncio.sleep(0.1)
        latest.request()
        await asyncio.sleep(0.1)
        return latest.runs

    assert asyncio.run(drag()) == 2 and len(done) == 2
    latest = Latest(lambda: done.append("at once"))
    latest.request()
    assert done[-1] == "at once"


# --- gallery --------------------------------------------------------------------------------------------------------


def test_a_click_chooses_and_every_thumbnail_has_a_name():
    gallery = Gallery([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)], ["dark", "light"], "choose")
    seen = []
    gallery.observe(lambda change: seen.append(change["new"]), names="value")
    gallery.buttons[1].click()
    assert gallery.value == 1 and seen == [1]
    assert [button.tooltip for button in gallery.buttons] == ["dark", "light"]
    assert "idnb-chosen" in gallery.buttons[1]._dom_classes and "idnb-chosen" not in gallery.buttons[0]._dom_classes
    assert gallery.add(torch.zeros(3, 128, 128), "mine") == 2 and gallery.value == 2
    with pytest.raises(InputError, match="no picture 7"):
        gallery.value = 7
    with pytest.raises(InputError, match="as many labels"):
        Gallery([], [], "empty")


# --- labs of the generator ------------------------------------------------------------------------------------------


def test_sample_lab(session):
    lab = SampleLab(session.generator, session.judge, target=lambda numbers: f"psi is {numbers['psi']}")
    first = lab.pictures.value
    lab.controls["seed"].value = 5
    assert lab.pictures.value != first and "psi is 1.0" in lab.scores.value and not lab.message.value
    assert lab.update(psi=0.0)["distance"] == pytest.approx(0.0, abs=1e-4)
    assert torch.equal(lab.panels[0].picture, lab.panels[1].picture)
    assert lab.update(psi=1.0)["similarity"] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(InputError, match="no control is called pis"):
        lab.update(pis=1)
    assert lab.still("samples").get_label()


def test_style_mix_lab(session):
    lab = StyleMixLab(session.generator, session.judge)
    n = session.generator.n_styles
    lab.update(rows=(0, 0))
    assert torch.allclose(lab.panels[1].picture, lab.panels[0].picture, atol=1e-4)
    lab.update(rows=(0, n))
    assert torch.allclose(lab.panels[1].picture, lab.panels[2].picture, atol=1e-4)
    lab.update(rows=(2, 5))
    assert "rows 2 to 4 from B: 8 px to 16 px" in lab.panels[1].caption
    assert (
        layer_titles(session.generator)[:4] == ["4 px", "8 px", "8 px", "16 px"]
        and len(layer_titles(session.generator)) == n
    )


# --- the main lab ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def face_lab(session, faces):
    return FaceLab(session, faces, contours=range(0, 12, 4), identities=range(1, 13, 4))


def test_every_control_of_the_face_lab_does_something(face_lab):
    face_lab.update(contour=0, person=1, kind="low_res", low_res=8, steps=2, step=2, strength=1.0)
    assert [panel.title for panel in face_lab.panels][:4] == ["contour", "identity", "result", "difference"]
    assert len(face_lab.panels) == 4 + 3 and {"idsim", "fidelity", "step", "change"} <= set(face_lab.numbers)
    before = face_lab.pictures.value
    for change in ({"person": 2}, {"contour": 1}, {"low_res": 16}, {"strength": 0.5}, {"kind": "sketch"}, {"steps": 3}):
        face_lab.update(**change)
        assert face_lab.pictures.value != before, change
        assert not face_lab.message.value, face_lab.message.value
        before = face_lab.pictures.value
    assert "Download" in face_lab.links.value and "strangers" in face_lab.scores.value


def test_looking_at_another_step_computes_nothing_anew(face_lab):
    face_lab.update(steps=2, step=2)
    outcome = face_lab._last[1]
    face_lab.update(step=0)
    assert face_lab._last[1] is outcome and face_lab.numbers["step"] == 0
    face_lab.update(steps=3)
    assert face_lab.controls["step"].max == 3 and face_lab.numbers["step"] == 0
    face_lab.update(step=3)
    assert face_lab.update(steps=1)["step"] == 1
    assert face_lab.update(step=2, steps=4)["step"] == 2  # in whichever order they are named


def test_strength_zero_forgets_the_person(session, faces):
    image, a, b = faces.images([0, 5, 9])
    x_c = session.contour("low_res", image)
    nobody = [session.run("low_res", x_c, [(who, 1.0)], strength=0.0, steps=1).images for who in (a, b)]
    assert torch.allclose(*nobody, atol=1e-3)
    somebody = session.run("low_res", x_c, [(a, 1.0)], steps=1).images
    assert not torch.allclose(nobody[0], somebody, atol=1e-3)


def test_the_session_agrees_with_the_encoder(session, faces):
    image, who = faces.images([0, 5])
    x_c = session.contour("low_res", image)
    outcome = session.run("low_res", x_c, [(who, 1.0)], steps=2)
    expected = session.encoders["low_res"].generate(session.generator, x_c, who[None], steps=2)
    assert torch.allclose(outcome.images[1:], expected.images[0], atol=1e-4)
    mixture = session.run("low_res", x_c, [(who, 3.0), (image, 0.0)], steps=2)
    assert torch.allclose(mixture.images, outcome.images, atol=1e-5)
    with pytest.raises(InputError, match="no encoder for edges"):
        session.run("edges", x_c, [(who, 1.0)])
    with pytest.raises(InputError, match="weight above zero"):
        session.run("low_res", x_c, [(who, 0.0)])


def test_errors_stay_in_the_lab(face_lab, monkeypatch):
    def fail(**_state):
        raise InputError("the cable is out; plug it in")

    monkeypatch.setattr(face_lab, "draw", fail)
    face_lab.update(person=0)
    assert "the cable is out" in face_lab.message.value and "role=" in face_lab.message.value
    monkeypatch.undo()
    face_lab.update(person=1)
    assert face_lab.message.value == ""


def test_mix_lab(session, faces):
    lab = MixLab(session, faces, contours=[0], identities=[5, 9])
    lab.update(a=0, b=1, to_b=0.0, rows=(12, 12))
    titles = [panel.title for panel in lab.panels]
    pick = {title: lab.panels[i].picture for i, title in enumerate(titles)}
    assert torch.allclose(pick["mixture"], pick["contour and A"], atol=1e-4)
    lab.update(to_b=1.0)
    assert torch.allclose(lab.panels[titles.index("mixture")].picture, pick["contour and B"], atol=1e-4)
    half = lab.update(to_b=0.5, to_other=0.5, rows=(6, 12))
    assert {"idsim_A", "idsim_B", "fidelity"} <= set(half) and not lab.message.value


# --- drawing --------------------------------------------------------------------------------------------------------


def stroke(value, *points, radius=2.0):
    return {"v": value, "r": radius, "p": list(points)}


def test_strokes_are_painted_where_they_are_drawn():
    sheet = paint_strokes(np.full((64, 64), 255, np.uint8), [stroke(0, 10, 10, 50, 10)])
    assert sheet[10, 30] == 0 and sheet[40, 30] == 255
    soft = paint_strokes(sheet, [stroke(0, 10, 40, 50, 45)], smooth=True)
    assert soft[42, 28] == 0 and soft[5, 5] == 255 and ((soft > 0) & (soft < 255)).any()
    assert (paint_strokes(sheet, [stroke(13, 10, 40, 50, 45)])[..., None] == [0, 13, 255]).any(-1).all()
    for bad in ([{"v": 1}], [stroke(300, 1, 1)], [{"v": 0, "r": 1, "p": [1, 2, 3]}], [{"v": 0, "r": 1, "p": [1, "x"]}]):
        with pytest.raises(InputError):
            paint_strokes(sheet, bad)


def test_the_pad_takes_messages_of_its_own_sheet_only():
    pad = DrawingPad(contour_kind("sketch"), torch.ones(1, 1, 64, 64))
    seen = []
    pad.observe(lambda change: seen.append(change["new"]), names="value")
    message = {"epoch": pad.epoch, "strokes": [stroke(0, 10, 10, 50, 10)]}
    pad.bridge.value = json.dumps(message)
    assert len(seen) == 1 and pad.value[0, 0, 10, 30] == 0 and len(pad.strokes) == 1
    pad.bridge.value = json.dumps({**message, "epoch": pad.epoch - 1})
    pad.bridge.value = "not json"
    assert len(pad.strokes) == 1
    pad.undo()
    assert pad.value.min() == 1 and pad.epoch > message["epoch"]
    pad.draw([stroke(0, 5, 5)])
    pad.clear_button.click()
    assert pad.value.min() == 1 and not pad.strokes


def test_the_pad_draws_classes():
    pad = DrawingPad(contour_kind("label_map"), torch.zeros(1, 64, 64, dtype=torch.long))
    assert pad.tool.value == 13 and len(pad.tool.options) == 19
    pad.draw([stroke(13, 20, 20)])
    assert pad.value.dtype == torch.long and pad.value[0, 20, 20] == 13
    assert "onload=" in pad.canvas.value and '"' not in re.search(r'onload="(.*?)"', pad.canvas.value, re.S).group(1)


@pytest.mark.parametrize("kind", ["sketch", "label_map"])
def test_the_face_follows_the_drawing(session, faces, kind):
    lab = DrawLab(session, faces, contours=[0, 4], identities=[5, 9], kind=kind)
    assert lab.numbers["strokes"] == 0 and lab.numbers["change"] == 0
    lab.pad.draw([stroke(0 if kind == "sketch" else 13, 20, 30, 100, 30, radius=6)])
    assert lab.numbers["strokes"] == 1 and lab.numbers["change"] > 0 and not lab.message.value
    assert '"drawn"' in _settings(lab.links.value)
    lab.controls["contour"].buttons[1].click()
    assert lab.numbers["strokes"] == 0
    with pytest.raises(InputError, match="needs an encoder"):
        DrawLab(session, faces, kind="low_res")


def _settings(html: str) -> str:
    import base64

    return base64.b64decode(re.search(r'href="data:application/json;base64,([^"]+)"', html).group(1)).decode()


# --- own pictures ---------------------------------------------------------------------------------------------------


def as_file(picture, kind="png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(as_picture(picture)).resize((300, 300)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!doctype html><p>quota exceeded", "not a picture"),
        (as_file(torch.zeros(3, 8, 8)), "no face found in mine.png"),
        (as_file(torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)))[:2000], "damaged or cut off"),
        (b"\x89PNG" + b"0" * 31_000_000, "MB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(content, words):
    taken = []
    box = UploadBox("own", 128, lambda name, face: taken.append(face))
    assert not box.take("mine.png", content)
    assert words in box.message.value and "mine.png" in box.message.value and not taken


def test_an_own_picture_joins_the_gallery(face_lab, faces):
    before = len(face_lab.controls["person"].buttons)
    content = as_file(faces.images([3])[0], "jpeg")
    assert face_from_bytes("a.jpg", content, 128).shape == (3, 128, 128)
    assert face_lab.uploads["person"].take("a.jpg", content)
    assert len(face_lab.controls["person"].buttons) == before + 1 == face_lab.controls["person"].value + 1
    assert "stays in memory" in face_lab.uploads["person"].message.value


def test_uploads_of_both_versions_are_understood():
    seven = {"a.png": {"metadata": {"name": "a.png"}, "content": b"123"}}
    eight = ({"name": "a.png", "content": memoryview(b"123")},)
    assert uploaded_files(seven) == uploaded_files(eight) == [("a.png", b"123")]
    assert uploaded_files({}) == uploaded_files(()) == []


def test_only_controls_that_both_versions_have(face_lab):
    def walk(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    known = {
        "VBox",
        "HBox",
        "HTML",
        "Button",
        "FileUpload",
        "ToggleButtons",
        "SelectionSlider",
        "IntSlider",
        "FloatSlider",
    }
    known |= {"Dropdown", "Textarea", "IntRangeSlider"}
    assert {type(widget).__name__ for widget in walk(face_lab.box)} <= known
    assert ipywidgets.__version__
