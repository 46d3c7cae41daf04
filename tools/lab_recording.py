"""Records the labs at work as a short GIF: `python -m tools.lab_recording --out docs/img/lab.gif`.

The real widgets run in JupyterLab and a headless Chromium, driven as by a person: `FaceLab` gets a contour, a person
and another step, `DrawLab` gets strokes. Each frame is a picture of the lab on the page, under a line that says what
was done. Needs chromium and chromedriver, and selenium from the extra `dev`.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tools.lab_browser import CHROMIUM, DRIVER, changes, labs, nudge, opened, scribble, served

__all__ = ["CELLS", "Frame", "main", "play", "record", "save_gif"]

CELLS = (
    "import torch\ntorch.set_num_threads(1)\nimport idnb\nfrom idnb.widgets import DrawLab, FaceLab, Session\n"
    'session, faces = Session.bundled(), idnb.load_faces("test")',
    "FaceLab(session, faces)",
    "DrawLab(session, faces)",
)
"""What the notebook in the browser holds: a face lab and a lab to draw in, in this order."""

WINDOW = (860, 1500)
"""Of the browser, in pixels: narrow, so that little has to be made smaller."""

BAR = 30
"""Height of the line above a frame."""

MAX_BYTES, MAX_WIDTH = 1_500_000, 700

Frame = tuple[Image.Image, str]
"""A picture of a lab, and what was done."""


def play(driver: Any) -> list[Frame]:
    """Use the two labs of the page, and look at them after every step.

    driver: from `tools.lab_browser.opened`, with the cells of `CELLS`. Returns the frames in order.
    """
    driver.execute_script("window.jupyterapp.commands.execute('application:toggle-left-area'); return true")
    frames: list[Frame] = []

    def look(lab: Any, words: str) -> None:
        driver.execute_script("arguments[0].scrollIntoView({block: 'start'}); document.activeElement.blur()", lab)
        frames.append((Image.open(io.BytesIO(lab.screenshot_as_png)).convert("RGB"), words))

    def do(lab: Any, act: Callable[[], object], words: str) -> None:
        changes(lab, act, words)
        look(lab, words)

    def click(thumbnail: Any) -> Callable[[], object]:
        return lambda: driver.execute_script("arguments[0].click()", thumbnail)

    face, sheet = labs(driver)
    thumbnails = face.find_elements("css selector", "button[class*=idnb-gallery]")
    half = len(thumbnails) // 2  # contours first, then as many people
    look(face, "one picture says how, another says who")
    do(face, click(thumbnails[min(2, half - 1)]), "choose another contour")
    do(face, click(thumbnails[half + min(3, half - 1)]), "choose another person")
    slider = 2  # side of the contour, number of steps, step looked at, strength
    do(face, lambda: nudge(driver, face, slider, -3), "back to step 0: the average face")
    for step in (1, 2, 3):
        do(face, lambda: nudge(driver, face, slider), f"step {step}")
    do(face, lambda: nudge(driver, face, slider + 1, 4), "more identity than there is: a caricature")
    shorn = sheet.find_elements("css selector", "button[class*=idnb-gallery]")[6]  # somebody without long hair
    do(sheet, click(shorn), "now draw on a contour")
    nudge(driver, sheet, 0, 8)  # a wider pen
    do(sheet, lambda: scribble(driver, sheet, (-68, -60), 7 * [(-3, 25)]), "long hair at one side")
    do(
        sheet,
        lambda: scribble(driver, sheet, (72, -60), 7 * [(3, 25)]),
        "and at the other: before, now, and the difference",
    )
    return frames


def save_gif(frames: Sequence[Frame], out: Path, width: int = MAX_WIDTH, seconds: float = 1.3) -> Path:
    """Write frames as one animated GIF below 1.5 MB.

    frames: of any sizes; they are put on white sheets of one size. width: of the GIF in pixels, at most 700. seconds:
    that each frame stays; the last stays twice as long. Fewer colours, then a smaller width, are taken until the file
    is small enough. Returns `out`.
    """
    wide, high = max(f.width for f, _ in frames), max(f.height for f, _ in frames)
    sheets = []
    for number, (picture, words) in enumerate(frames, start=1):
        sheet = Image.new("RGB", (wide, high + BAR), "white")
        sheet.paste(picture, (0, BAR))
        pen = ImageDraw.Draw(sheet)
        pen.rectangle((0, 0, wide, BAR - 5), fill=(38, 42, 56))
        pen.text((10, 4), f"{number}. {words}", fill="white", font=ImageFont.load_default(15))
        sheets.append(sheet)
    width = min(width, MAX_WIDTH, wide)
    times = [round(1000 * seconds)] * (len(sheets) - 1) + [round(2000 * seconds)]
    while True:
        size = (width, round((high + BAR) * width / wide))
        small = [sheet.resize(size, Image.Resampling.LANCZOS) for sheet in sheets]
        for colours in (256, 128, 64):
            content = _as_gif(small, colours, times)
            if len(content) < MAX_BYTES:
                out.parent.mkdir(parents=True, exist_ok=True)
                part = out.with_name(out.name + ".part")
                part.write_bytes(content)
                part.replace(out)
                return out
        width = round(0.85 * width)


def _as_gif(frames: Sequence[Image.Image], colours: int, times: list[int]) -> bytes:
    """One palette for all frames, and no dither: what does not change between two frames costs nothing then."""
    strip = Image.new("RGB", (frames[0].width, sum(frame.height for frame in frames)))
    for row, frame in enumerate(frames):
        strip.paste(frame, (0, row * frame.height))
    palette = strip.quantize(colours, dither=Image.Dither.NONE)
    few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    few[0].save(buffer, "gif", save_all=True, append_images=few[1:], duration=times, loop=0, optimize=True, disposal=1)
    return buffer.getvalue()


def record(out: Path, width: int = MAX_WIDTH, seconds: float = 1.3, cells: Sequence[str] = CELLS) -> Path:
    """From the cells of a notebook to a GIF; see `play` and `save_gif`. Returns `out`."""
    with tempfile.TemporaryDirectory() as folder:
        book, profile = Path(folder) / "book", Path(folder) / "profile"
        book.mkdir()
        with served(book, cells) as address, opened(address, profile, n_labs=2, window=WINDOW) as driver:
            return save_gif(play(driver), out, width, seconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Record; the exit code is 1 when the labs do not come up, and 2 where there is no browser to record in."""
    parser = argparse.ArgumentParser(prog="python -m tools.lab_recording", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("docs/img/lab.gif"), help="the GIF (default: docs/img/lab.gif)"
    )
    parser.add_argument("--width", type=int, default=MAX_WIDTH, help="its width in pixels, at most 700 (the default)")
    parser.add_argument("--seconds", type=float, default=1.3, help="how long each frame stays (default: 1.3)")
    args = parser.parse_args(argv)
    if not (CHROMIUM and DRIVER):
        print("no browser: install chromium and chromedriver (apt install chromium chromium-driver)", file=sys.stderr)
        return 2
    try:
        out = record(args.out, args.width, args.seconds)
    except (RuntimeError, TimeoutError) as error:
        print(f"not recorded: {error}", file=sys.stderr)
        return 1
    with Image.open(out) as gif:
        print(f"{out}: {gif.n_frames} frames, {gif.width} x {gif.height}, {out.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
