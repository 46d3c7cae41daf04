"""The figures that a distribution of people must reach, measured on people nobody has seen.

`idnb render --check` prints them: whether a detector trained on photographs finds the faces, how far apart the two
most alike people are, where the eyes lie, and what a picture costs.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from idnb.faces.render import people
from idnb.faces.render.sets import SetPlan, render_person

__all__ = ["CheckReport", "check_people", "identity_distance"]

CHECK_SEED = 1_000_003  # of no set
DETECTOR_SIZE = 512  # pixels; pictures are enlarged as a photograph would be
MIN_PROBABILITY = 0.95
MIN_FOUND = 0.99
MIN_DISTANCE = 0.75
TIMED_PEOPLE, TIMED_SHOTS = 26, 4


@dataclass(frozen=True)
class CheckReport:
    """What `check_people` measured.

    people: number of identities, one picture each.
    found: share in which MTCNN finds exactly one face with p > 0.95.
    nearest: smallest distance between two identities, see `identity_distance`.
    median_distance: the median over all pairs.
    eyes: (2, 2) mean place of the eyes as MTCNN sees them, fractions of the image: left of the image, right.
    eyes_std: (2, 2) standard deviation of the same.
    seconds: of one core for one picture of four of a person, the share of the person's preparation included.
    missed: numbers of the identities without exactly one face.
    """

    people: int
    found: float
    nearest: float
    median_distance: float
    eyes: NDArray[np.float64]
    eyes_std: NDArray[np.float64]
    seconds: float
    missed: list[int]

    @property
    def passed(self) -> bool:
        """Whether the figures named above are reached."""
        return self.found >= MIN_FOUND and self.nearest >= MIN_DISTANCE

    def __str__(self) -> str:
        (lx, ly), (rx, ry) = self.eyes
        (sx, sy), (tx, ty) = self.eyes_std
        return "\n".join(
            [
                f"{self.people} new people, seed {CHECK_SEED}",
                f"exactly one face with p > {MIN_PROBABILITY}: {self.found:.1%} (at least {MIN_FOUND:.0%})"
                + (f"; not in identities {self.missed[:10]}" if self.missed else ""),
                f"distance of the two most alike: {self.nearest:.2f} (at least {MIN_DISTANCE}), "
                f"median of all pairs {self.median_distance:.2f}",
                f"eyes, as fractions of the image: ({lx:.3f}±{sx:.3f}, {ly:.3f}±{sy:.3f}) "
                f"and ({rx:.3f}±{tx:.3f}, {ry:.3f}±{ty:.3f})",
                f"{self.seconds:.2f} s an image and core",
                "passed" if self.passed else "NOT passed",
            ]
        )


def identity_distance(identities: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Distances between people: root mean square difference of the numeric parameters, each in units of its std.

    identities: parameters of N people.
    Returns (N, N); 0 for the same person, about 1.4 for two drawn at random; the diagonal is infinite.
    """
    names = [name for name, value in identities[0].items() if isinstance(value, float)]
    values = np.array([[person[name] for name in names] for person in identities])
    values = values[:, values.std(0) > 0]
    values = (values - values.mean(0)) / values.std(0)
    square = (values**2).sum(1)
    distance = np.sqrt(np.maximum(square[:, None] + square[None] - 2 * values @ values.T, 0) / values.shape[1])
    np.fill_diagonal(distance, np.inf)
    return distance


def check_people(count: int = 500, size: int = 128) -> CheckReport:
    """Render new people and measure them.

    count: of identities.
    size: of a picture, pixels.
    Returns the report; print it.
    """
    import torch
    from facenet_pytorch import MTCNN
    from PIL import Image

    detector = MTCNN(keep_all=True, device=torch.device("cpu"))
    identities = [people.sample_identity(people.identity_generator(CHECK_SEED, i)) for i in range(count)]
    missed: list[int] = []
    eyes, seconds = [], []
    for i in tqdm(range(count), unit="person"):
        shots = TIMED_SHOTS if i < TIMED_PEOPLE else 1
        started = time.process_time()
        strip, _ = render_person(SetPlan(count, shots, CHECK_SEED, size), i)
        if 0 < i < TIMED_PEOPLE:  # the first loads the head
            seconds.append((time.process_time() - started) / shots)
        photo = Image.fromarray(strip[:, :size]).resize((DETECTOR_SIZE, DETECTOR_SIZE), Image.Resampling.BICUBIC)
        boxes, probabilities, points = detector.detect(photo, landmarks=True)
        if boxes is None or len(boxes) != 1 or probabilities[0] <= MIN_PROBABILITY:
            missed.append(i)
        else:
            eyes.append(np.asarray(points[0][:2], dtype=np.float64) / DETECTOR_SIZE)
    distance = identity_distance(identities)
    return CheckReport(
        people=count,
        found=1 - len(missed) / count,
        nearest=float(distance.min()),
        median_distance=float(np.median(distance[np.isfinite(distance)])),
        eyes=np.mean(eyes, axis=0),
        eyes_std=np.std(eyes, axis=0),
        seconds=float(np.median(seconds)) if seconds else float("nan"),
        missed=missed,
    )
