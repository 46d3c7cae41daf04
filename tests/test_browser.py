"""The labs in a real browser: headless Chromium, JupyterLab, a kernel. Skipped where Chromium or Selenium is missing.

Assertions are about the page, not about pixels: pictures change, no error text appears. With IDNB_SHOTS=folder in the
environment every step leaves a screenshot there, to be looked at.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import idnb
from tools.lab_browser import CHROMIUM, DRIVER, changes, labs, nudge, opened, scribble, served, until
from tools.notebook_files import REPO

pytest.importorskip("selenium")
from selenium.webdriver.common.by import By

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (apt install chromium-driver)"
    ),
]

CELLS = (
    f"import sys\nsys.path.insert(0, {str(REPO / 'tests')!r})\nimport idnb, torch\ntorch.set_num_threads(1)\n"
    "from idnb.widgets import *\nfrom widget_parts import untrained_session\n"
    'session, faces = untrained_session(("low_res", "sketch")), idnb.load_faces("test")',
    "SampleLab(session.generator, session.judge)",
    "FaceLab(session, faces, contours=[0, 4, 8], identities=[5, 9, 13])",
    'DrawLab(session, faces, contours=[0, 4], identities=[5, 9], kind="sketch")',
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    profile = tmp_path_factory.mktemp("profile")
    with served(tmp_path_factory.mktemp("lab"), CELLS) as address, opened(address, profile, n_labs=3) as driver:
        yield driver


def alert(lab: Any) -> str:
    return " ".join(item.text for item in lab.find_elements(By.CSS_SELECTOR, "[role=alert]"))


def shoot(driver: Any, lab: Any, name: str) -> None:
    folder = os.environ.get("IDNB_SHOTS")
    if folder:
        driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", lab)
        time.sleep(0.5)
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_sliders_change_the_face(page: Any):
    lab = labs(page)[0]
    changes(lab, lambda: nudge(page, lab, 0), "the seed")
    shoot(page, lab, "sample_lab")
    assert not alert(lab)


def test_a_thumbnail_can_be_picked(page: Any):
    lab = labs(page)[1]
    thumbnails = lab.find_elements(By.CSS_SELECTOR, "button[class*=idnb-gallery]")
    assert len(thumbnails) == 6
    changes(lab, lambda: page.execute_script("arguments[0].click()", thumbnails[5]), "another person")
    changes(lab, lambda: page.execute_script("arguments[0].click()", thumbnails[2]), "another contour")
    assert "idnb-chosen" in thumbnails[2].get_attribute("class")
    assert "url(" in page.execute_script("return getComputedStyle(arguments[0]).backgroundImage", thumbnails[2])
    shoot(page, lab, "face_lab")
    assert not alert(lab)
    assert len(lab.find_elements(By.CSS_SELECTOR, "a[download]")) == 2


def test_good_and_bad_files(page: Any, tmp_path: Path):
    lab = labs(page)[1]
    # The button makes its file field on the fly and opens a dialogue; here the field is put into the page instead.
    page.execute_script(
        "HTMLInputElement.prototype.click = function () { this.style.display = 'block'; this.id = 'field';"
        " document.body.appendChild(this); }"
    )
    button = next(b for b in lab.find_elements(By.CSS_SELECTOR, "button") if "identity" in b.text)
    if not lab.find_elements(By.CSS_SELECTOR, "input[type=file]"):
        page.execute_script("arguments[0].click()", button)
        field = until(lambda: page.find_element(By.ID, "field"), "the file field")
    else:
        field = lab.find_elements(By.CSS_SELECTOR, "input[type=file]")[1]
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    field.send_keys(str(bad))
    until(lambda: "notes.png is not an image" in lab.text, "words about the bad file")
    shoot(page, lab, "bad_file")
    good = tmp_path / "me.png"
    Image.fromarray(idnb.load_faces("test").pixels([40])[0]).resize((400, 400)).save(good)
    changes(lab, lambda: field.send_keys(str(good)), "an own picture")
    until(lambda: "face found and aligned" in lab.text, "words about the good file")
    shoot(page, lab, "good_file")


def test_the_face_follows_the_mouse(page: Any):
    lab = labs(page)[2]
    changes(lab, lambda: scribble(page, lab, (-80, -60), 6 * [(25, 10)]), "a stroke")
    until(lambda: "1 stroke" in lab.text, "the stroke to arrive")
    shoot(page, lab, "draw_lab")
    undo = next(button for button in lab.find_elements(By.CSS_SELECTOR, "button") if button.text == "Undo")
    changes(lab, lambda: page.execute_script("arguments[0].click()", undo), "undo")
    until(lambda: "0 strokes" in lab.text, "the stroke to go")
    assert not alert(lab)


def test_no_error_text_anywhere(page: Any):
    text = page.find_element(By.CSS_SELECTOR, ".jp-Notebook").text
    for words in ("Error displaying widget", "Traceback", "model not found"):
        assert words not in text
