"""JupyterLab in a headless Chromium: what the browser tests and the recording of the labs have in common.

Selenium is imported when it is needed, so that this module loads without it. Waiting ends after `PATIENCE` seconds,
240 unless the environment sets IDNB_PATIENCE.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from tools.notebook_files import REPO

__all__ = [
    "CHROMIUM",
    "DRIVER",
    "PATIENCE",
    "changes",
    "free_port",
    "labs",
    "nudge",
    "opened",
    "pictures",
    "scribble",
    "served",
    "until",
]

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
DRIVER = shutil.which("chromedriver") or ""
PATIENCE = float(os.environ.get("IDNB_PATIENCE", "240"))
"""Seconds to wait for anything: the machine may be busy with other things."""

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(ask: Callable[[], Any], what: str) -> Any:
    """Ask again until the answer is true; a page may change under the question, which counts as "not yet".

    ask: called without arguments. what: is waited for, for the message. Returns the answer.
    Raises TimeoutError when patience ends.
    """
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = ask()
        except WebDriverException:
            answer = None
        if answer:
            return answer
        time.sleep(0.3)
    raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")


@contextmanager
def served(folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """JupyterLab with one notebook of these code cells, as long as the block lasts.

    folder: an empty one, for notebook, settings and log. cells: sources. Gives the address of the notebook.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
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
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:  # a busy machine; an error on the way here is the one to see
                server.kill()


@contextmanager
def opened(address: str, profile: Path, n_labs: int, window: tuple[int, int] = (1300, 1500)) -> Iterator[Any]:
    """A headless Chromium in which all cells of the notebook have run, as long as the block lasts.

    address: from `served`. profile: an empty folder for the browser. n_labs: how many labs the cells make.
    window: width and height in pixels. Gives the driver.
    Raises RuntimeError with the last line of the traceback when a cell fails.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--window-size={window[0]},{window[1]}", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(PATIENCE)
    try:
        driver.get(address)
        ready = "return !!(window.jupyterapp && document.querySelector('.jp-Notebook-cell'))"
        until(lambda: driver.execute_script(ready), "the notebook")
        time.sleep(5)  # the kernel is being started; a cell that is run too early asks which kernel to use
        driver.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells'); return true")

        def there() -> bool:
            outputs = "return [...document.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText)"
            for text in driver.execute_script(outputs):
                if "Traceback (most recent call last)" in text:
                    raise RuntimeError(text.strip().splitlines()[-1])
            return len(labs(driver)) == n_labs and all(pictures(lab) for lab in labs(driver))

        until(there, f"{n_labs} labs")
        yield driver
    finally:
        driver.quit()


def labs(driver: Any) -> list[Any]:
    """The labs on the page, from top to bottom."""
    return driver.find_elements("css selector", ".idnb-lab")


def pictures(lab: Any) -> list[str]:
    """The addresses of a lab's pictures, which hold the pictures themselves."""
    # One call, since the widget may replace its pictures between two.
    return lab.parent.execute_script("return [...arguments[0].querySelectorAll('figure img')].map(i => i.src)", lab)


def changes(lab: Any, act: Callable[[], object], what: str) -> None:
    """Do something, and wait until the pictures of a lab are others; `what` names it in the message."""
    before = pictures(lab)
    act()
    until(lambda: pictures(lab) and pictures(lab) != before, f"{what} to change the picture")


def nudge(driver: Any, lab: Any, number: int, steps: int = 1) -> Any:
    """Move a slider of a lab by arrow keys.

    number: of the handle in the lab, from 0. steps: to the right; below zero to the left. Returns the handle.
    """
    from selenium.webdriver.common.keys import Keys

    handle = lab.find_elements("css selector", ".noUi-handle, .ui-slider-handle")[number]
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", handle)
    for _ in range(abs(steps)):
        handle.send_keys(Keys.ARROW_RIGHT if steps > 0 else Keys.ARROW_LEFT)
    return handle


def scribble(driver: Any, lab: Any, start: tuple[int, int], moves: Sequence[tuple[int, int]]) -> Any:
    """Draw one stroke with the mouse on the sheet of a lab.

    start: where the button goes down, in pixels of the screen from the middle of the sheet. moves: one after the other.
    Returns the sheet.
    """
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = lab.find_element("css selector", "canvas")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    hand = ActionChains(driver, duration=60).move_to_element_with_offset(canvas, *start).click_and_hold()
    for move in moves:
        hand = hand.move_by_offset(*move)
    hand.release().perform()
    return canvas
