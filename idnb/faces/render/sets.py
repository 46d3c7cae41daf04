"""Making a set of people: a table of all parameters, then one strip of pictures and one of labels a person.

The parameters of a person depend on the seed and the person's number alone, so any number of processes makes the same
pixels, and a set that was interrupted goes on where it stopped: a strip that exists is finished.
"""

import csv
import gzip
import importlib.metadata
import io
import json
import multiprocessing
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from idnb.core.children import end_with_parent
from idnb.core.errors import InputError
from idnb.core.files import file_states, write_bytes
from idnb.core.lock import locked
from idnb.faces.render import people
from idnb.faces.set_files import compare_checksum, read_card, read_strip, set_checksum, set_files

__all__ = ["SetPlan", "draw_person", "make_set", "render_person"]

LICENCE = "CC0-1.0"
WEBP_QUALITY = 92
LONGEST = 16_383  # pixels a side of a WebP


@dataclass(frozen=True)
class SetPlan:
    """What a set consists of.

    identities: number of people.
    shots: pictures of each.
    seed: of the distribution; other seeds are other people.
    size: of a picture, pixels.
    """

    identities: int
    shots: int
    seed: int
    size: int

    def __post_init__(self) -> None:
        if self.identities < 1 or self.shots < 1:
            raise InputError(f"identities and shots must be at least 1, got {self.identities} and {self.shots}")
        if not 16 <= self.size <= 2048:
            raise InputError(f"size must lie between 16 and 2048 pixels, got {self.size}")
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")

    @property
    def command(self) -> str:
        """The command that makes this set."""
        return f"idnb render --identities {self.identities} --shots {self.shots} --seed {self.seed} --size {self.size}"

    @property
    def numbers(self) -> Sequence[int]:
        """Numbers of the people who have pictures."""
        return range(self.identities)

    def pictures(self, identity: int) -> int:
        """How many pictures a person has."""
        return self.shots

    def person(self, identity: int) -> tuple[dict[str, Any], list[dict[str, Any]], np.random.Generator]:
        """Parameters of a person, of each picture, and the random numbers that go on with the strands of hair."""
        parameters, rng = self.identity(identity)
        return parameters, [self.shot(identity, shot) for shot in range(self.shots)], rng

    def draw(self, identity: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw all pictures of a person; returns as `render_person`."""
        return draw_person(*self.person(identity), self.size)

    def identity(self, identity: int) -> tuple[dict[str, Any], np.random.Generator]:
        """What stays the same in all pictures of a person, and the random numbers that go on."""
        rng = people.identity_generator(self.seed, identity)
        return people.sample_identity(rng), rng

    def shot(self, identity: int, shot: int) -> dict[str, Any]:
        """What one shot of a person adds."""
        return people.sample_shot(people.shot_generator(self.seed, identity, shot))


def render_person(plan: SetPlan, identity: int) -> tuple[np.ndarray, np.ndarray]:
    """Render all pictures of one person of a set.

    plan: of the set.
    identity: number of the person.
    Returns (size, K * size, 3) sRGB 0..255 and (size, K * size) class numbers, K pictures side by side.
    Raises InputError when the packages of the extra `render` are missing.
    """
    return plan.draw(identity)


def draw_person(
    parameters: dict[str, Any], shots: list[dict[str, Any]], rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one person; all that is ever drawn is drawn here.

    parameters: of the person.
    shots: parameters of K pictures.
    rng: random numbers of the person, for the strands of hair.
    size: of a picture, pixels.
    Returns as `render_person`.
    Raises InputError when the packages of the extra `render` are missing.
    """
    from idnb.faces.render.head import load_head  # needs the extra `render`

    head = load_head()
    import torch
    from threadpoolctl import threadpool_limits

    from idnb.faces.render.portrait import Person

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):  # sums are taken in another order on more threads, and single pixels differ
            person = Person(head, parameters, shots, rng)
            pictures = [person.picture(shot, size) for shot in range(len(shots))]
    finally:
        torch.set_num_threads(threads)
    return np.concatenate([p[0] for p in pictures], 1), np.concatenate([p[1] for p in pictures], 1)


def _encode(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, **options)
    return buffer.getvalue()


def _work(job: tuple[SetPlan, Path, int]) -> float:
    plan, folder, identity = job
    started = time.process_time()
    image, label = render_person(plan, identity)
    image_file, label_file = set_files(folder, identity)
    write_bytes(label_file, _encode(label, format="PNG", optimize=True))
    write_bytes(image_file, _encode(image, format="WEBP", quality=WEBP_QUALITY, method=6))
    return time.process_time() - started


def _whole(plan: SetPlan, folder: Path, identity: int) -> bool:
    """Whether both strips of a person are there and can be read; what cannot is rendered again."""
    try:
        strips = [read_strip(path, plan.size) for path in set_files(folder, identity)]
    except InputError:
        return False
    return all(strip.shape[1] == plan.pictures(identity) * plan.size for strip in strips)


def _table(plan: SetPlan) -> bytes:
    """All parameters by name, one row a shot, as gzipped CSV."""
    rows = []
    for identity in plan.numbers:
        parameters, shots, _ = plan.person(identity)
        rows += [{"identity": identity, "shot": shot} | parameters | values for shot, values in enumerate(shots)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    return gzip.compress(text.getvalue().encode(), mtime=0)


def make_set(plan: SetPlan, folder: str | Path, workers: int = 1) -> dict[str, Any]:
    """Render a set, or what is missing of it.

    plan: what to render.
    folder: where; made when it does not exist.
    workers: processes.
    Returns the set's card, as written to `card.json` when every file is there.
    Raises InputError: too many pictures of a person for one file, the folder holds a set made by another plan, or the
    extra `render` is missing.
    """
    most = max(plan.pictures(i) for i in plan.numbers)
    if most * plan.size > LONGEST:
        raise InputError(
            f"{most} pictures of {plan.size} pixels make a strip of more than {LONGEST:,} pixels, which no WebP holds; "
            "choose fewer or smaller ones"
        )
    folder = Path(folder)
    note = folder / "card.json"
    made_by = {"command": plan.command, **asdict(plan)}
    card: dict[str, Any] = {"name": folder.name, **made_by, "licence": LICENCE}
    if note.exists():
        old = read_card(folder)
        if {name: old.get(name) for name in made_by} != made_by:
            raise InputError(
                f"{folder} holds another set, made by `{old.get('command')}`: choose another --out, or delete it"
            )
        card = old
    elif there := [path for path in _files(plan, folder) if path.exists()]:
        raise InputError(f"{there[0]} is there, but no card.json of a set that was begun: choose another --out")
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    todo = [i for i in plan.numbers if not _whole(plan, folder, i)]
    if not todo and "sha256" in card:
        compare_checksum(folder, card["sha256"], file_states(_files(plan, folder)[1:]))
        return card
    with locked(folder, "rendering into this folder"):
        return _render(plan, folder, todo, card, workers)


def _files(plan: SetPlan, folder: Path) -> list[Path]:
    """The table and all strips of a set."""
    return [folder / "people.csv.gz", *(path for i in plan.numbers for path in set_files(folder, i))]


def _render(plan: SetPlan, folder: Path, todo: list[int], card: dict[str, Any], workers: int) -> dict[str, Any]:
    """Render people of a set, and write its table and card; returns the card."""
    from idnb.faces.render.head import load_head

    load_head()  # builds anny's cache once, before several processes want it
    card["made_with"] = {name: importlib.metadata.version(name) for name in ("idnb", "anny", "warp-lang")}
    note = folder / "card.json"
    write_bytes(note, (json.dumps(card, indent=2) + "\n").encode())  # first: what follows belongs to the set it names
    write_bytes(folder / "people.csv.gz", _table(plan))
    seconds: list[float] = []
    if todo:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(todo)), context, initializer=_calm) as pool:
            jobs = [pool.submit(_work, (plan, folder, i)) for i in todo]
            bar = tqdm(
                as_completed(jobs), total=len(plan.numbers), initial=len(plan.numbers) - len(todo), unit="person"
            )
            try:
                seconds = [job.result() for job in bar]
            except BrokenProcessPool as error:
                raise InputError(
                    "a process that renders was ended from outside, as the system does where memory is short; the "
                    "same command goes on, with fewer --workers if need be"
                ) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for child in multiprocessing.active_children() if len(seconds) < len(todo) else ():
                    child.terminate()
    card["sha256"] = set_checksum(folder)
    write_bytes(note, (json.dumps(card, indent=2) + "\n").encode())
    made = sum(plan.pictures(i) for i in todo)
    return card | ({"seconds_per_image_and_core": sum(seconds) / made} if seconds else {})


def _calm() -> None:
    """Ctrl-C ends the parent, which ends its workers; were it killed, they end by themselves."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
