"""The figures that a distribution of people must reach, measured on people nobody has seen.

`idnb render --check` prints them: whether a detector trained on photographs finds the faces, how far apart the two
most alike people are, where the eyes lie, and what a picture costs.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from idnb.faces.render import people
from idnb.faces.render.sets import SetPlan, render_person

__all__ = ["check_people", "identity_distance"]

CHECK_SEED = 1_000_003  # of no set
DETECTOR_SIZE = 512  # pixels; pictures are enlarged as a photograph would be
MIN_PROBABILITY = 0.95
MIN_FOUND = 0.99
MIN_DISTANCE = 0.75
TIMED_PEOPLE, TIMED_SHOTS = 26, 4


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


def check_people(count: int = 500, size: int = 128) -> bool:
    """Render new people, measure them and print what was found.

    count: of identities, one picture each. size: of a picture, pixels.
    Returns whether the figures named above are reached: how many faces MTCNN finds, and how far the two most alike
    people are apart (`identity_distance`). Seconds are those of one core for one picture of four of a person, the share
    of the person's preparation included.
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
    found, nearest = 1 - len(missed) / count, float(distance.min())
    passed = found >= MIN_FOUND and nearest >= MIN_DISTANCE
    (lx, ly), (rx, ry) = np.mean(eyes, axis=0)
    (sx, sy), (tx, ty) = np.std(eyes, axis=0)
    print(f"{count} new people, seed {CHECK_SEED}")
    print(f"exactly one face with p > {MIN_PROBABILITY}: {found:.1%} (at least {MIN_FOUND:.0%})", end="")
    print(f"; not in identities {missed[:10]}" if missed else "")
    print(f"distance of the two most alike: {nearest:.2f} (at least {MIN_DISTANCE}), ", end="")
    print(f"median of all pairs {np.median(distance[np.isfinite(distance)]):.2f}")
    print(f"eyes, as fractions of the image: ({lx:.3f}±{sx:.3f}, {ly:.3f}±{sy:.3f}) ", end="")
    print(f"and ({rx:.3f}±{tx:.3f}, {ry:.3f}±{ty:.3f})")
    print(f"{np.median(seconds) if seconds else np.nan:.2f} s an image and core")
    print("passed" if passed else "NOT passed")
    return passed
