"""The labs in a real browser: headless Chromium, JupyterLab, a kernel. Skipped where Chromium or Selenium is missing.

Assertions are about the page, not about pixels: pictures change, no error text appears. With IDNB_SHOTS=folder in the
environment every step leaves a screenshot there, to be looked at.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

import idnb
from tools.notebook_files import REPO

selenium = pytest.importorskip("selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (apt install chromium-driver)"
    ),
]
PATIENCE = float(os.environ.get("IDNB_PATIENCE", "240"))
"""Seconds to wait for anything: the machine may be busy with other things."""

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1300,1500"
)

CELLS = (
    "import sys\nsys.path.insert(0, TESTS)\nimport idnb, torch\ntorch.set_num_threads(1)\n"
    "from idnb.widgets import *\nfrom widget_parts import untrained_session\n"
    'session, faces = untrained_session(("low_res", "sketch")), idnb.load_faces("test")',
    "SampleLab(session.generator, session.judge)",
    "FaceLab(session, faces, contours=[0, 4, 8], identities=[5, 9, 13])",
    'DrawLab(session, faces, contours=[0, 4], identities=[5, 9], kind="sketch")',
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(ask: Any, what: str) -> Any:
    """Ask again until the answer is true; a page may change under the question, which counts as "not yet"."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = ask()
        except selenium.common.exceptions.WebDriverException:
            answer = None
        if answer:
            return answer
        time.sleep(0.3)
    raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.replace("TESTS", repr(str(REPO / "tests")))) for cell in CELLS]
    )
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(notebook, folder / "labs.ipynb")
    settings = folder / "settings" / "@jupyterlab"
    for name, text in {
        "notebook-extension/tracker": '{"windowingMode": "none"}',  # otherwise cells out of view are not drawn
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    }.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    port = free_port()
    words = f"-m jupyterlab --no-browser --allow-root --port={port} --IdentityProvider.token=t"
    words += " --LabApp.expose_app_in_browser=True"
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPO),
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *words.split()], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"

            def up() -> bool:
                try:
                    return urllib.request.urlopen(f"{url}/api?token=t", timeout=5).status == 200
                except OSError:
                    return False

            until(up, "JupyterLab to answer")
            yield f"{url}/lab/tree/labs.ipynb?token=t"
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(PATIENCE)
    try:
        driver.get(address)
        ready = "return !!(window.jupyterapp && document.querySelector('.jp-Notebook-cell'))"
        until(lambda: driver.execute_script(ready), "the notebook")
        time.sleep(5)  # the kernel is being started; a cell that is run too early asks which kernel to use
        driver.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells'); return true")
        until(lambda: len(labs(driver)) == 3 and all(pictures(lab) for lab in labs(driver)), "three labs")
        yield driver
    finally:
        driver.quit()


def labs(driver: Any) -> list[Any]:
    return driver.find_elements(By.CSS_SELECTOR, ".idnb-lab")


def pictures(lab: Any) -> list[str]:
    return [image.get_attribute("src") for image in lab.find_elements(By.CSS_SELECTOR, "figure img")]


def alert(lab: Any) -> str:
    return " ".join(item.text for item in lab.find_elements(By.CSS_SELECTOR, "[role=alert]"))


def shoot(driver: Any, lab: Any, name: str) -> None:
    folder = os.environ.get("IDNB_SHOTS")
    if folder:
        driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", lab)
        time.sleep(0.5)
        driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def changes(lab: Any, act: Any, what: str) -> None:
    """Do something and wait until the pictures of a lab are others."""
    before = pictures(lab)
    act()
    until(lambda: pictures(lab) and pictures(lab) != before, f"{what} to change the picture")


def nudge(driver: Any, lab: Any, number: int) -> None:
    handle = lab.find_elements(By.CSS_SELECTOR, ".noUi-handle, .ui-slider-handle")[number]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", handle)
    handle.send_keys(Keys.ARROW_RIGHT)


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
    until(lambda: "notes.png is not a picture" in lab.text, "words about the bad file")
    shoot(page, lab, "bad_file")
    good = tmp_path / "me.png"
    Image.fromarray(idnb.load_faces("test").pixels([40])[0]).resize((400, 400)).save(good)
    changes(lab, lambda: field.send_keys(str(good)), "an own picture")
    until(lambda: "face found and aligned" in lab.text, "words about the good file")
    shoot(page, lab, "good_file")


def test_the_face_follows_the_mouse(page: Any):
    lab = labs(page)[2]
    canvas = lab.find_element(By.CSS_SELECTOR, "canvas")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)

    def scribble() -> None:
        hand = ActionChains(page, duration=60).move_to_element_with_offset(canvas, -80, -60).click_and_hold()
        for _ in range(6):
            hand = hand.move_by_offset(25, 10)
        hand.release().perform()

    changes(lab, scribble, "a stroke")
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
