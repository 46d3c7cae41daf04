"""How long the web page takes to answer: `python benchmarks/page.py`, after `make web`.

In a headless Chromium on this machine, with WebAssembly threads and without: from the start of the page to the first
picture, from a stroke on the sketch to the picture of the first refinement step, and to that of all, as the page itself
measures them. The promise on two cores is 3 seconds, 150 ms with threads and 300 ms without. Nothing else should run
meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.lab_browser import until
from tools.page_browser import Quiet, browser, changes, complete, go, hosted, stroke
from tools.web import Handler, build


def told(driver: Any, name: str) -> float:
    """A number that the page notes about itself."""
    return float(driver.execute_script("return document.body.dataset[arguments[0]]", name))


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=12, help="strokes that are timed (default 12)")
    args = parser.parse_args()
    folder = build()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"the page: {size / 1e6:.1f} MB in all")
    for name, handler in (("threads", Handler), ("one thread", Quiet)):
        profile = tempfile.TemporaryDirectory()
        with profile as path, hosted(folder, handler) as address, browser(Path(path)) as driver:
            go(driver, address)
            first = told(driver, "firstPicture")
            until(lambda shown=driver: complete(shown), "everything to be loaded")
            times, early = [], []
            for number in range(args.strokes + 1):
                start = (-60, -80 + 10 * number)
                changes(driver, lambda start=start: stroke(driver, start, [(90, 12)]), "a stroke")
                times.append(told(driver, "milliseconds"))
                early.append(told(driver, "firstStep"))
        steps = f"{statistics.median(early[1:]):.0f} ms, refined after {statistics.median(times[1:]):.0f} ms"
        print(f"{name:<11} first picture {first:5.0f} ms; a stroke to picture {steps}, {max(times[1:]):.0f} at most")


if __name__ == "__main__":
    main()
