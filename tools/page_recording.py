"""Records the web page at work as a short GIF: `python -m tools.page_recording --out docs/img/page.gif`.

The page of `make web` runs in a headless Chromium, driven as by a person: another contour, another person, strokes,
sliders, the game. Each frame is a picture of the page, under a line that says what was done. Needs node, npm, chromium
and chromedriver, and selenium from the extra `dev`.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tools.lab_browser import CHROMIUM, DRIVER, until
from tools.web import build

__all__ = ["Frame", "main", "play", "record", "save_gif"]

WINDOW = (1000, 900)
"""Of the browser, in pixels."""

BAR = 30
"""Height of the line above a frame."""

MAX_BYTES, MAX_WIDTH = 1_500_000, 700

Frame = tuple[Image.Image, str]
"""A picture of the page, and what was done."""


def play(driver: Any) -> list[Frame]:
    """Use the page, and look at it after every step. driver: a browser that shows it. Returns the frames in order."""
    from tools.page_browser import changes, move, press, stroke

    frames: list[Frame] = []

    def look(words: str) -> None:
        driver.execute_script("window.scrollTo(0, 0); document.activeElement.blur()")
        frames.append((Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB"), words))

    def do(act: Callable[[], object], words: str) -> None:
        changes(driver, act, words)
        look(words)

    look("one picture says how, another says who")
    do(lambda: press(driver, "Contour from", "3"), "choose another contour")
    do(lambda: press(driver, "Person", "5"), "choose another person")
    do(lambda: press(driver, "Person", "2"), "and another")
    do(lambda: stroke(driver, (-60, -50), 6 * [(20, 8)]), "draw on the sketch: the face follows")
    do(lambda: press(driver, "Contour as", "low_res"), "the same with a contour of 8 x 8 pixels")
    do(lambda: move(driver, "Identity strength", 0.3), "less of the identity")
    do(lambda: move(driver, "Identity strength", 1.0), "and all of it")
    do(lambda: move(driver, "Turn the head", 1), "turn the head")
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


def record(out: Path, width: int = MAX_WIDTH, seconds: float = 1.3) -> Path:
    """Build the page where that is due, use it, and write the GIF; see `play` and `save_gif`. Returns `out`."""
    from tools.page_browser import browser, complete, go, hosted

    with tempfile.TemporaryDirectory() as folder, hosted(build()) as address, browser(Path(folder), WINDOW) as driver:
        go(driver, address)
        until(lambda: complete(driver), "everything to be loaded")
        return save_gif(play(driver), out, width, seconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Record; the exit code is 1 when the page does not come up, and 2 where there is no browser to record in."""
    parser = argparse.ArgumentParser(prog="python -m tools.page_recording", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("docs/img/page.gif"), help="the GIF (default: docs/img/page.gif)"
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
