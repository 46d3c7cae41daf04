"""The web page in a headless Chromium: served on this machine, and used by mouse and keyboard.

For its tests and its recording. Needs chromium and chromedriver, and selenium from the extra `dev`.
"""

from __future__ import annotations

import functools
import http.server
import io
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from tools.lab_browser import CHROMIUM, DRIVER, FLAGS, PATIENCE, until
from tools.web import Handler

__all__ = ["Quiet", "browser", "canvas", "changes", "complete", "go", "hosted", "move", "press", "settles", "stroke"]


class Quiet(Handler):
    """Serves without the headers of isolation, as many hosts do: WebAssembly has one thread then."""

    isolated = False


@contextmanager
def hosted(folder: Path, handler: type[Handler] = Handler) -> Iterator[str]:
    """Serve a folder for as long as the block lasts. Yields its address."""
    serve = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def browser(profile: Path, window: tuple[int, int] = (1240, 1300)) -> Iterator[Any]:
    """A browser with a profile folder of its own and a window of so many pixels."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--window-size={window[0]},{window[1]}", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()


def go(driver: Any, address: str) -> None:
    """Open an address and wait for the first picture."""
    driver.get("about:blank")
    driver.get(address)
    until(lambda: driver.execute_script("return document.body.dataset.firstPicture"), "the first picture")


def complete(driver: Any) -> bool:
    """Whether the page has loaded all that it needs."""
    return bool(driver.execute_script("return document.body.dataset.complete"))


def canvas(driver: Any, selector: str = ".face .result canvas") -> np.ndarray:
    """What a canvas shows: [H, W, 3] in 0 to 255."""
    script = "return document.querySelector(arguments[0]).toDataURL('image/png')"
    content = driver.execute_script(script, selector).split(",", 1)[1]
    return np.asarray(Image.open(io.BytesIO(b64decode(content))).convert("RGB"))


def settles(driver: Any, selector: str = ".face .result canvas") -> np.ndarray:
    """The picture once the page has nothing left to compute."""
    until(lambda: driver.execute_script("return document.body.getAttribute('aria-busy') === 'false'"), "the page")
    return canvas(driver, selector)


def changes(driver: Any, act: Any, what: str, selector: str = ".face .result canvas") -> np.ndarray:
    """Act, and wait until the picture is another one and the page is at rest. Returns it."""
    before = canvas(driver, selector)
    act()
    until(lambda: not np.array_equal(canvas(driver, selector), before), f"{what} to change the picture")
    return settles(driver, selector)


def press(driver: Any, group: str, value: str) -> None:
    """Choose a radio button: in the group whose legend begins with these words, the one with this value."""
    script = """
const group = [...document.querySelectorAll('fieldset')].find((f) => f.innerText.startsWith(arguments[0])
  || f.querySelector('legend').textContent.startsWith(arguments[0]));
group.querySelector(`input[value="${arguments[1]}"]`).click();"""
    driver.execute_script(script, group, value)


def move(driver: Any, title: str, value: float) -> None:
    """Set a slider as a hand would: its value, and the event of it."""
    script = """
const label = [...document.querySelectorAll('label')].find((l) => l.textContent === arguments[0] && l.offsetParent);
const input = document.getElementById(label.htmlFor);
input.value = arguments[1]; input.dispatchEvent(new Event('input', {bubbles: true}));"""
    driver.execute_script(script, title, value)


def stroke(driver: Any, start: tuple[int, int], moves: list[tuple[int, int]]) -> None:
    """Draw on the sheet with the mouse: from an offset to its middle, in pixels, along some moves."""
    pad = driver.find_element(By.CSS_SELECTOR, "canvas.pad")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
    hand = ActionChains(driver, duration=30).move_to_element_with_offset(pad, *start).click_and_hold()
    for step in moves:
        hand = hand.move_by_offset(*step)
    hand.release().perform()
