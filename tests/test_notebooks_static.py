"""Every committed notebook passes every check that needs no kernel."""

from tools.notebook_checks import CHECKS, check_file
from tools.notebook_files import NAME_PATTERN, find


def test_notebook_passes_all_checks(notebook_path):
    complaints = check_file(notebook_path)
    assert not complaints, "\n".join(complaints)


def test_names_and_numbers_of_the_series():
    names = [path.name for path in find()]
    assert all(NAME_PATTERN.match(name) for name in names)
    assert [int(name[:2]) for name in names] == [0, 1, 2, 2, 2, 2, 3, 3, 4, 5, 6, 7]


def test_every_check_says_what_it_checks():
    assert len(CHECKS) == len(set(CHECKS))
    assert all(check.__doc__ for check in CHECKS)
