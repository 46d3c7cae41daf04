"""Who belongs to which part of CelebA-HQ, and who is who: the mapping to CelebA and CelebA's list of people.

CelebA-HQ has no split of its own. It follows CelebA, whose file numbers 1 to 162,770 are for training, up to 182,637
for validation and the rest for testing. On all 30,000 images that gives 24,183 / 2,993 / 2,824; no person of CelebA is
in two parts. The paper prints 2,842 test images once and 28,240 outputs once; 2,824 x 10 = 28,240 fits the data.
"""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idnb.core.errors import InputError
from idnb.core.files import read_text

__all__ = [
    "HQ_COUNTS",
    "MAPPING_FILE",
    "N_HQ",
    "SPLITS",
    "TEST_SHA256",
    "mapping_faults",
    "numbers_sha256",
    "read_identities",
    "read_mapping",
    "split_of_file",
]

SPLITS: tuple[str, ...] = ("train", "val", "test")
LAST_TRAIN, LAST_VAL, N_CELEBA = 162_770, 182_637, 202_599
N_HQ = 30_000
HQ_COUNTS: dict[str, int] = {"train": 24_183, "val": 2_993, "test": 2_824}
TEST_SHA256 = "518ddd72a5620bae799e7637616e68c59d280010a8375771c38fb60c8c4f5891"
"""Of the 2,824 test numbers of CelebA-HQ, ascending, in decimal, one a line, no line end after the last."""

MAPPING_FILE = "CelebA-HQ-to-CelebA-mapping.txt"


def read_mapping(path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read which image of CelebA each image of CelebA-HQ was made from.

    path: `CelebA-HQ-to-CelebA-mapping.txt`: columns idx, orig_idx (from 0), orig_file (number + 1, with ".jpg");
        with or without the row of headings.
    Returns the numbers of CelebA-HQ, ascending, and those of CelebA's files, from 1: (N,) each.
    Raises InputError: no such file, or a line that does not fit; the message has its number.
    """
    path = Path(path)
    rows: list[tuple[int, int]] = []
    for number, line in enumerate(_lines(path, "it comes with CelebAMask-HQ"), start=1):
        words = line.split()
        if not words or (number == 1 and words[0] == "idx"):
            continue
        try:
            index, original, file_number = int(words[0]), int(words[1]), int(words[2].removesuffix(".jpg"))
        except (ValueError, IndexError):
            raise InputError(f"{path}, line {number}: expected `idx orig_idx orig_file`, got {line[:60]!r}") from None
        if file_number != original + 1 or not 1 <= file_number <= N_CELEBA or not 0 <= index < 1 << 31:
            raise InputError(
                f"{path}, line {number}: orig_file must be orig_idx + 1, from 1 to {N_CELEBA:,}; got {line[:60]!r}"
            )
        rows.append((index, file_number))
    if not rows:
        raise InputError(f"{path} is empty; copy or download it again")
    index_column, file_column = (np.array(column, dtype=np.int64) for column in zip(*sorted(rows), strict=True))
    for name, column in (("idx", index_column), ("orig_file", file_column)):
        values, counts = np.unique(column, return_counts=True)
        if (counts > 1).any():
            raise InputError(f"{path}: {name} {values[counts > 1][0]} is there {counts.max()} times; download it again")
    return index_column, file_column


def split_of_file(file_number: NDArray[np.int64]) -> NDArray[np.str_]:
    """The part of CelebA that a file belongs to.

    file_number: (N,) from 1 to 202,599.
    Returns (N,) "train", "val" or "test".
    """
    return np.where(file_number <= LAST_TRAIN, "train", np.where(file_number <= LAST_VAL, "val", "test"))


def numbers_sha256(numbers: NDArray[np.int64]) -> str:
    """Sha256 of ascending numbers in decimal, joined by line ends: how a split is compared with a published one."""
    return hashlib.sha256("\n".join(map(str, np.sort(numbers).tolist())).encode()).hexdigest()


def mapping_faults(index: NDArray[np.int64], file_number: NDArray[np.int64]) -> list[str]:
    """What is wrong with a mapping as the whole of CelebA-HQ: its counts and the checksum of its test numbers.

    index, file_number: (N,) from `read_mapping`.
    Returns one line a fault; nothing for the right 30,000 rows.
    """
    if len(index) != N_HQ:
        return [f"has {len(index):,} rows where CelebA-HQ has {N_HQ:,}"]
    split = split_of_file(file_number)
    faults = []
    for name, expected in HQ_COUNTS.items():
        found = int((split == name).sum())
        if found != expected:
            faults.append(f"gives {found:,} images for {name} where {expected:,} are expected")
    found_sha = numbers_sha256(index[split == "test"])
    if found_sha != TEST_SHA256:
        faults.append(f"its test numbers have sha256 {found_sha[:16]}... where {TEST_SHA256[:16]}... is expected")
    return faults


def read_identities(path: str | Path) -> dict[str, int]:
    """Read who is in which picture: lines such as `000001.jpg 2880`, the form of CelebA's identity_CelebA.txt.

    path: the file.
    Returns file name -> number of the person.
    Raises InputError: no such file, or a line that does not fit; the message has its number.
    """
    path = Path(path)
    people: dict[str, int] = {}
    for number, line in enumerate(_lines(path, "CelebA offers it in its folder Anno"), start=1):
        words = line.rsplit(maxsplit=1)
        if not words:
            continue
        try:
            name, person = words[0], int(words[1])
            if not 0 <= person < 1 << 62:
                raise ValueError("no number of a person")
        except (ValueError, IndexError):
            raise InputError(f"{path}, line {number}: expected `000001.jpg 2880`, got {line[:60]!r}") from None
        if people.setdefault(name, person) != person:
            raise InputError(f"{path}, line {number}: {name} is said to be two people, {people[name]} and {person}")
    if not people:
        raise InputError(f"{path} is empty; copy or download it again")
    return people


def _lines(path: Path, source: str) -> list[str]:
    return read_text(path, f"copy or download it again; {source}").splitlines()
