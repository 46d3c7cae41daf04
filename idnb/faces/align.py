"""From a photo to an aligned square: five points by MTCNN, then the crop of CelebA-HQ and FFHQ.

The detector is `facenet_pytorch.MTCNN` (its weights come inside the wheel, nothing is downloaded); dlib is not needed.
Coordinates are those of the upright photo: x to the right, y down, (0, 0) the top left corner of the top left pixel.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from idnb.core.errors import InputError
from idnb.core.resize import gaussian_blur
from idnb.faces.framing import crop_corners, ffhq_crop
from idnb.faces.photo import Photo, open_photo, photo_name

__all__ = [
    "AlignedFace",
    "AlignmentCheck",
    "DetectedFace",
    "NoFaceError",
    "align_face",
    "check_alignment",
    "crop_face",
    "detect_faces",
    "ffhq_crop",
]

DETECTION_SIDE = 1024
"""Photos are scaled so that their longer side is at most this many pixels before the detector looks at them."""

SMALLEST_FACE = 20
"""Pixels: MTCNN looks for nothing smaller."""

LARGEST_SHIFT = 0.06
"""Of an aligned face, as a share of the side. Its crop may be 2.5 times this larger or smaller, and turned by 10
degrees."""


class NoFaceError(InputError):
    """No face was found in a picture; the message names the picture and what helps."""


@dataclass(frozen=True)
class DetectedFace:
    """One face: `box` (4,) left, top, right, bottom and `points` (5, 2), both in pixels; `probability` from 0 to 1.

    The points are left eye, right eye, nose tip, left and right corner of the mouth, as seen in the picture.
    """

    box: np.ndarray
    points: np.ndarray
    probability: float

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float(max(self.box[2] - self.box[0], 0.0) * max(self.box[3] - self.box[1], 0.0))


@dataclass(frozen=True)
class AlignedFace:
    """An aligned crop and how it came about.

    `image` [3, size, size] float in [-1, 1]; `face` the chosen face; `corners` (4, 2) of the square in the photo;
    `n_faces` how many were found; `outside` the fraction of the crop that lies outside the photo and was mirrored;
    `magnification` crop pixels per photo pixel (above 1: the face is small in the photo and looks soft).
    """

    image: torch.Tensor
    face: DetectedFace
    corners: np.ndarray
    n_faces: int
    outside: float
    magnification: float

    def __str__(self) -> str:
        found = "1 face" if self.n_faces == 1 else f"{self.n_faces} faces, the largest taken"
        text = f"{found}, p = {self.face.probability:.3f}"
        if self.outside > 0.02:
            text += f"; {self.outside:.0%} of the crop lies outside the photo and is mirrored"
        if self.magnification > 1.5:
            text += f"; magnified {self.magnification:.1f} times, so expect a soft picture"
        return text


@dataclass(frozen=True)
class AlignmentCheck:
    """Whether a picture is framed as the networks expect: true or false in a condition; `message` says why.

    `shift` is the distance between the middle of the picture and of the crop it should be, as a fraction of the side;
    `scale` the side of that crop over the side of the picture; `roll` its turn in degrees.
    """

    ok: bool
    message: str
    shift: float
    scale: float
    roll: float

    def __bool__(self) -> bool:
        return self.ok


@cache
def _detector() -> Any:
    from facenet_pytorch import MTCNN  # loading it takes a second; only own photos need it

    return MTCNN(keep_all=True, min_face_size=SMALLEST_FACE, device=torch.device("cpu")).eval()


def _detect(image: Image.Image, longest: int, min_probability: float) -> list[DetectedFace]:
    shrink = max(1.0, max(image.size) / longest)
    small = (
        image
        if shrink == 1.0
        else image.resize(
            (max(1, round(image.width / shrink)), max(1, round(image.height / shrink))),
            Image.Resampling.BOX,
            reducing_gap=2.0,
        )
    )
    if min(small.size) < SMALLEST_FACE:
        return []
    boxes, probabilities, points = _detector().detect(small, landmarks=True)
    if boxes is None:
        return []
    scale = np.array([image.width / small.width, image.height / small.height])
    faces = [
        # the detector counts from the middle of the top left pixel, hence the half
        DetectedFace(
            (np.asarray(b, float).reshape(2, 2) * scale).reshape(4), (np.asarray(p, float) + 0.5) * scale, float(q)
        )
        for b, q, p in zip(boxes, probabilities, points, strict=True)
        if q >= min_probability
    ]
    return sorted(faces, key=lambda face: -face.area)


def detect_faces(photo: Photo, min_probability: float = 0.9) -> list[DetectedFace]:
    """Find all faces in a photo, in well under a second.

    photo: a path, a PIL image, a uint8 array [H, W, 3] or a float tensor [3, H, W] in [-1, 1].
    min_probability: 0 to 1; faces of which the detector is less sure are left out.
    Returns the faces, largest first; an empty list when there is none.
    Raises InputError: the photo cannot be read.

    Source: Zhang et al., "Joint Face Detection and Alignment Using Multitask Cascaded CNNs", 2016.
    """
    image = open_photo(photo)
    faces = _detect(image, DETECTION_SIDE, min_probability)
    if not faces and max(image.size) > DETECTION_SIDE:  # a small face in a large photo
        faces = _detect(image, 4 * DETECTION_SIDE, min_probability)
    return faces


def crop_face(image: Image.Image, centre: np.ndarray, half_x: np.ndarray, size: int) -> tuple[torch.Tensor, float]:
    """Cut an oriented square out of a picture, without aliasing, mirrored where it leaves the picture.

    image: RGB picture.
    centre: (2,) middle of the square, x and y in pixels.
    half_x: (2,) from the middle to the middle of the right side; see `ffhq_crop`.
    size: side of the crop in pixels.
    Returns the crop [3, size, size] float in [-1, 1], and the fraction of it that lies outside the picture (0 to 1).

    How: the picture is first shrunk (Lanczos) until about two of its pixels fall on one of the crop; the turned square
    is then sampled bicubically at twice the size and averaged down. What lies outside is mirrored, and the further out,
    the more it is blurred, so that no second chin or hairline appears.
    """
    side = 2.0 * float(np.linalg.norm(half_x))
    shrink = max(1.0, side / (2.0 * size))
    width, height = (max(1, round(v / shrink)) for v in image.size)
    small = image if shrink == 1.0 else image.resize((width, height), Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(small)).movedim(-1, 0)[None].float() / 127.5 - 1.0  # [1, 3, h, w]
    steps = (torch.arange(2 * size, dtype=torch.float64) + 0.5) / size - 1.0  # [2S] in (-1, 1)
    v, u = torch.meshgrid(steps, steps, indexing="ij")  # [2S, 2S] down, right
    x = (centre[0] + u * half_x[0] - v * half_x[1]) / image.width * 2.0 - 1.0
    y = (centre[1] + u * half_x[1] + v * half_x[0]) / image.height * 2.0 - 1.0
    grid = torch.stack([x, y], dim=-1)[None].float()  # [1, 2S, 2S, 2]
    sampled = F.grid_sample(pixels, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    crop = F.avg_pool2d(sampled, 2).clamp(-1.0, 1.0)  # [1, 3, S, S]
    beyond_x, beyond_y = (x.abs() - 1.0).clamp_min(0.0) * image.width, (y.abs() - 1.0).clamp_min(0.0) * image.height
    beyond = torch.hypot(beyond_x, beyond_y) / (2.0 * side)  # [2S, 2S] distance outside, in sides of the crop
    outside = float((beyond > 0).double().mean())
    if outside > 0:
        amount = F.avg_pool2d((beyond / 0.08).clamp_max(1.0)[None, None].float(), 2)  # [1, 1, S, S]
        crop = torch.lerp(crop, gaussian_blur(crop, 0.025 * size), amount)
    return crop[0], outside


def align_face(photo: Photo, size: int) -> AlignedFace:
    """Find the largest face in a photo and cut it out as CelebA-HQ and FFHQ do.

    photo: a path, a PIL image, a uint8 array [H, W, 3] or a float tensor [3, H, W] in [-1, 1]. EXIF turns
        are obeyed.
    size: side of the crop in pixels, 16 to 4096 (128 for `tiny`, 1024 for `paper`).
    Returns the crop with the points, the box, the probability and the number of faces; print it for a line of text.
    Raises NoFaceError: no face was found; the message names the photo and what helps.
    Raises InputError: the photo cannot be read, or `size` is out of range.
    """
    if not isinstance(size, int | np.integer) or not 16 <= size <= 4096:
        raise InputError(f"size is {size!r}; expected a whole number of pixels from 16 to 4096")
    image, name = open_photo(photo), photo_name(photo)
    faces = detect_faces(image)
    if not faces:
        raise NoFaceError(
            f"no face found in {name} ({image.width} x {image.height} pixels); use a photo with one upright face "
            f"looking roughly at the camera, at least {2 * SMALLEST_FACE} pixels wide, with some room around the head"
        )
    face = faces[0]
    centre, half_x = ffhq_crop(face.points[0], face.points[1], face.points[3], face.points[4])
    crop, outside = crop_face(image, centre, half_x, int(size))
    magnification = size / (2.0 * float(np.linalg.norm(half_x)))
    return AlignedFace(crop, face, crop_corners(centre, half_x), len(faces), outside, magnification)


def check_alignment(photo: Photo) -> AlignmentCheck:
    """Check that a picture is framed as an aligned face: the crop rule applied to it must give back the whole picture.

    photo: see `align_face`; best a square picture.
    Returns the verdict, its reasons and the three measures (NaN where no face was found).
    Raises InputError: the photo cannot be read.
    """
    image, name = open_photo(photo), photo_name(photo)
    if abs(image.width - image.height) > 1:
        message = f"{name} is {image.width} x {image.height}, not square; run it through align_face first"
        return AlignmentCheck(False, message, math.nan, math.nan, math.nan)
    faces = detect_faces(image)
    if not faces:
        message = (
            f"no face found in {name}; an aligned face shows the whole head, eyes level, a little above the middle"
        )
        return AlignmentCheck(False, message, math.nan, math.nan, math.nan)
    points, side = faces[0].points, float(image.width)
    centre, half_x = ffhq_crop(points[0], points[1], points[3], points[4])
    shift = float(np.linalg.norm(centre / side - 0.5))
    scale = 2.0 * float(np.linalg.norm(half_x)) / side
    roll = math.degrees(math.atan2(half_x[1], half_x[0]))
    faults = []
    if shift > LARGEST_SHIFT:
        faults.append(f"the face is {shift:.0%} of the side away from its place")
    if abs(scale - 1.0) > 2.5 * LARGEST_SHIFT:
        faults.append(
            f"the face is {'too large' if scale > 1 else 'too small'} (its crop would be {scale:.2f} x the side)"
        )
    if abs(roll) > 10.0:
        faults.append(f"the face is turned by {roll:.0f} degrees")
    message = f"{name} is aligned" if not faults else f"{name}: {'; '.join(faults)}. Run it through align_face first"
    return AlignmentCheck(not faults, message, shift, scale, roll)
