"""The web page in a headless Chromium: built once, served on this machine, used as people use it.

Skipped where node, Chromium or Selenium is missing. With IDNB_SHOTS=folder every part leaves screenshots there.
"""

import io
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import idnb
from idnb.contours.kinds import contour_kind
from idnb.core.images import to_image
from idnb.core.resize import resize
from idnb.export.networks import bundled_networks
from tools.lab_browser import CHROMIUM, DRIVER, until
from tools.web import BUDGET, Handler, build

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tools.page_browser import Quiet, browser, canvas, changes, complete, go, hosted, move, press, settles, stroke

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm, version 20"),
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (apt install chromium-driver)"
    ),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    return build()


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with hosted(folder, Handler) as address:
        yield address


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        go(driver, address)
        until(lambda: complete(driver), "everything to be loaded")
        yield driver


def status(driver: Any) -> str:
    return driver.find_element(By.ID, "status").text


def shoot(driver: Any, name: str) -> None:
    if os.environ.get("IDNB_SHOTS"):
        driver.execute_script("window.scrollTo(0, 0)")
        driver.save_screenshot(str(Path(os.environ["IDNB_SHOTS"]) / f"{name}.png"))


def test_the_page_is_whole_and_small(folder):
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert total < BUDGET, f"{total / 1e6:.1f} MB"
    text = json.loads((folder / "data" / "networks.json").read_text(encoding="utf-8"))
    assert "arcface" not in text["networks"] and {"mapping", "synthesis", "judge", "parser"} <= set(text["networks"])
    for name, entry in text["networks"].items():
        assert (folder / "data" / entry["file"]).stat().st_size == entry["bytes"], name
    for path in [*folder.glob("*.html"), *folder.glob("*.css"), *folder.glob("main.js")]:
        words = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in words and "https://" not in words, path.name


def test_first_picture(page):
    assert page.execute_script("return crossOriginIsolated")
    cores = page.execute_script("return navigator.hardwareConcurrency")
    assert f"{min(4, cores)} thread(s)" in status(page)
    assert canvas(page).std() > 20
    assert "Nothing is uploaded" in page.find_element(By.CSS_SELECTOR, ".private").text
    print("first picture after", page.execute_script("return document.body.dataset.firstPicture"), "ms")
    shoot(page, "desktop_face")


def test_the_face_is_that_of_python(page, folder):
    """The very pixels of the page beside the encoder in PyTorch, for the gallery's first contour and second person."""
    networks, data = bundled_networks(), folder / "data"
    shown = json.loads((data / "page.json").read_text(encoding="utf-8"))

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(Image.open(data / name))).movedim(-1, 0)[None].float() / 127.5 - 1

    labels = torch.from_numpy(np.array(Image.open(data / shown["contours"][0]["labels"]))).long()[None]
    image, person = tensor(shown["contours"][0]["file"]), tensor(shown["people"][1]["file"])
    for kind in ("sketch", "low_res", "label_map"):
        press(page, "Contour as", kind)
        found = settles(page).astype(float)
        x_c = contour_kind(kind).make(image, labels)
        ours = networks.encoders[kind].generate(networks.generator, x_c, person).images[0, -1]
        change = np.abs(found - np.asarray(to_image(ours), dtype=float))
        assert change.mean() < 1 and change.max() < 12, (kind, change.mean(), change.max())
    press(page, "Contour as", "sketch")


def test_pick_contour_and_person(page):
    seen = [settles(page)]
    seen.append(changes(page, lambda: press(page, "Contour from", "3"), "another contour"))
    seen.append(changes(page, lambda: press(page, "Person", "5"), "another person"))
    assert all(np.abs(a.astype(int) - b).mean() > 2 for a, b in itertools.pairwise(seen))
    assert "contour=3" in page.current_url and "a=5" in page.current_url
    assert "Similarity" in page.find_element(By.CSS_SELECTOR, ".face .result canvas").get_attribute("aria-label")


def test_draw_with_mouse_and_keyboard_and_undo(page):
    before = settles(page)
    pad = page.find_element(By.CSS_SELECTOR, "canvas.pad")
    drawn = changes(page, lambda: stroke(page, (-60, -50), 6 * [(20, 8)]), "a stroke")
    assert "Strokes: 1" in page.find_element(By.CSS_SELECTOR, ".drawing").text and "strokes=" in page.current_url
    shoot(page, "desktop_drawn")
    first, whole = (
        float(page.execute_script(f"return document.body.dataset.{k}")) for k in ("firstStep", "milliseconds")
    )
    assert 0 < first < whole  # a picture of the first step was there before that of the last
    page.execute_script("arguments[0].focus()", pad)
    ActionChains(page).send_keys(Keys.SPACE, *6 * [Keys.ARROW_RIGHT], Keys.SPACE).perform()
    until(lambda: "Strokes: 2" in page.find_element(By.CSS_SELECTOR, ".drawing").text, "a stroke by keyboard")
    settles(page)
    for _ in range(2):
        page.execute_script("[...document.querySelectorAll('.drawing button')][0].click()")
    assert np.array_equal(settles(page), before) and not np.array_equal(drawn, before)


def test_draw_on_a_label_map(page):
    press(page, "Contour as", "label_map")
    before = settles(page)
    drawn = changes(page, lambda: stroke(page, (-70, -90), [(140, 0)]), "hair")
    assert np.abs(drawn.astype(int) - before).mean() > 0.5
    shoot(page, "desktop_label_map")


def test_strength_mixing_steps_and_walks(page):
    for title, value in (("Identity strength", 0.3), ("Share of the second person", 0.5), ("Refinement steps", 1)):
        changes(page, lambda title=title, value=value: move(page, title, value), title)
    for title in ("Turn the head", "Move the light", "Glasses"):
        changes(page, lambda title=title: move(page, title, 1), title)
    assert len(page.find_elements(By.CSS_SELECTOR, ".strip canvas")) == 2
    assert "steps=1" in page.current_url and "yaw=1" in page.current_url


def test_a_link_holds_the_state(page, address):
    link, before = page.current_url, settles(page)
    go(page, link)
    assert np.array_equal(settles(page), before)
    go(page, address + "#kind=nonsense&a=999&steps=77&mix=x")  # what does not fit is left out
    assert page.execute_script("return document.querySelector('input[value=sketch]').checked")
    until(lambda: complete(page), "everything to be loaded")


def test_good_and_bad_files(page, tmp_path):
    field = page.find_element(By.CSS_SELECTOR, "input[type=file][aria-label*=person]")
    hint = page.find_elements(By.CSS_SELECTOR, ".own .hint")[1]
    for name, content, words in (
        ("notes.png", b"no picture", "notes.png is not a picture"),
        ("empty.png", b"", "empty.png is empty"),
    ):
        (tmp_path / name).write_bytes(content)
        field.send_keys(str(tmp_path / name))
        until(lambda words=words: words in hint.text, words)
    Image.new("RGB", (20, 20)).save(tmp_path / "tiny.png")
    field.send_keys(str(tmp_path / "tiny.png"))
    until(lambda: "only 20 × 20 pixels" in hint.text, "words about the small file")
    shoot(page, "desktop_bad_file")
    face = idnb.load_faces("test").images([44])
    to_image(resize(face, 300, "bicubic")[0]).save(tmp_path / "me.png")
    changes(page, lambda: field.send_keys(str(tmp_path / "me.png")), "an own person")
    assert "me.png is used" in hint.text
    contour = page.find_element(By.CSS_SELECTOR, "input[type=file][aria-label*=contour]")
    changes(page, lambda: contour.send_keys(str(tmp_path / "me.png")), "an own contour")
    shoot(page, "desktop_own_files")


def test_download(page):
    script = """
const done = arguments[0]; const [click, address] = [HTMLAnchorElement.prototype.click, URL.createObjectURL]; let file;
URL.createObjectURL = (blob) => { file = blob; return address.call(URL, blob); };
HTMLAnchorElement.prototype.click = async function () {
  HTMLAnchorElement.prototype.click = click; URL.createObjectURL = address;
  done([this.download, [...new Uint8Array(await file.arrayBuffer())]]); };
[...document.querySelectorAll('.answer button')][0].click();"""
    name, content = page.execute_async_script(script)
    assert name == "idnb-face.png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(bytes(content))).convert("RGB")), canvas(page))


def test_faces_from_noise(page):
    page.find_element(By.ID, "tab-face").send_keys(Keys.ARROW_RIGHT)  # tabs go by arrow keys
    until(lambda: canvas(page, ".samples canvas").shape[0] > 1, "the samples")
    settles(page, ".samples canvas")
    middle = ".samples figure:nth-child(2) canvas"
    changes(page, lambda: move(page, "Truncation psi", 0.2), "truncation", middle)
    changes(page, lambda: move(page, "Rows from B begin at", 1), "rows of B", middle)
    shoot(page, "desktop_samples")


def test_the_game(page):
    page.execute_script("document.getElementById('tab-game').click()")
    game = page.find_element(By.CSS_SELECTOR, ".game")
    until(lambda: len(game.find_elements(By.CSS_SELECTOR, ".pick")) == 4, "four people")
    game.find_element(By.CSS_SELECTOR, ".pick[data-right=yes]").click()
    until(lambda: "Right." in game.text and "Score: 1 of 1" in game.text, "a point")
    shoot(page, "desktop_game")
    page.execute_script("[...document.querySelectorAll('.game .buttons button')][0].click()")
    until(lambda: game.find_elements(By.CSS_SELECTOR, ".pick:not([disabled])"), "the next face")
    game.find_elements(By.CSS_SELECTOR, ".pick[data-right=no]")[0].click()
    until(lambda: "No, it was person" in game.text and "Score: 1 of 2" in game.text, "no point")


def test_phone_width(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 1400, "deviceScaleFactor": 1, "mobile": True}
    )
    for tab in ("game", "samples", "face"):
        page.execute_script(f"document.getElementById('tab-{tab}').click()")
        time.sleep(0.5)
        wide = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], tab
        shoot(page, f"phone_{tab}")
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert sum(int(n) for n in paper[4:-1].split(",")) < 150
    shoot(page, "phone_dark")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_everything_has_a_name(page):
    """What a screen reader would say: every control and every picture has words."""
    nameless = page.execute_script(
        """
const named = (e) => e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim();
const bad = [...document.querySelectorAll('input, select, button, canvas, [role=img]')].filter((e) => !named(e)
  && !(e.labels && [...e.labels].some((l) => l.querySelector('img[alt]'))));
return [...bad, ...document.querySelectorAll('img:not([alt])')].map((e) => e.outerHTML.slice(0, 120));"""
    )
    assert not nameless


def test_stale_requests_are_dropped(page):
    page.execute_script("document.getElementById('tab-face').click()")
    settles(page)
    script = """
const label = [...document.querySelectorAll('label')].find((l) => l.textContent === 'Identity strength');
const input = document.getElementById(label.htmlFor); const post = Worker.prototype.postMessage; let sent = 0;
Worker.prototype.postMessage = function (...words) { sent += 1; return post.apply(this, words); };
for (let i = 1; i <= 30; i += 1) { input.value = 0.02 * i + 0.4; input.dispatchEvent(new Event('input')); }
setTimeout(() => { Worker.prototype.postMessage = post; arguments[0](sent); }, 6000);"""
    sent = page.execute_async_script(script)
    assert 1 <= sent <= 4


def test_it_goes_on_without_a_network(page):
    page.execute_cdp_cmd("Network.enable", {})
    page.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    try:
        assert not page.execute_script("return navigator.onLine")
        for kind in ("low_res", "label_map", "sketch"):
            changes(page, lambda kind=kind: press(page, "Contour as", kind), kind)
        changes(page, lambda: press(page, "Person", "9"), "a person not seen before")
        assert "did not work" not in status(page)
    finally:
        page.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
        )


def test_no_error_and_no_other_host(page, address):
    worries = [entry for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert not worries
    asked = set()
    for entry in page.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"])
            assert message["params"]["request"]["method"] == "GET"
    assert any(url.startswith(address) for url in asked)
    allowed = (address, "data:", "blob:", "about:", "chrome")  # the browser's own empty tab
    assert not [url for url in asked if not url.startswith(allowed)]


def test_without_isolation_one_thread_does_it(folder, tmp_path):
    with hosted(folder, Quiet) as plain, browser(tmp_path) as driver:
        go(driver, plain)
        assert not driver.execute_script("return crossOriginIsolated")
        assert "1 thread(s)" in status(driver) and canvas(driver).std() > 20
        assert not [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
