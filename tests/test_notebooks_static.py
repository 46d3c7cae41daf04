"""Every committed notebook passes every check that needs no kernel."""

import pytest

from tools.notebook_checks import CHECKS, check_file
from tools.notebook_files import NAME_PATTERN, find


def test_notebook_passes_all_checks(notebook_path):
    complaints = check_file(notebook_path)
    assert not complaints, "\n".join(complaints)


def test_names_and_numbers_of_the_series():
    names = [path.name for path in find()]
    if not names:
        pytest.skip("the series is empty so far")
    assert all(NAME_PATTERN.match(name) for name in names)
    numbers = [int(name[:2]) for name in names]  # the series may have gaps while it is being written
    assert numbers == sorted(set(numbers)) and numbers[0] == 0


def test_every_check_says_what_it_checks():
    assert len(CHECKS) == len(set(CHECKS))
    assert all(check.__doc__ for check in CHECKS)
