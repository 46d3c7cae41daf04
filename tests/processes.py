"""Which processes a process has started, and whether they are still there."""

__all__ = ["below", "running"]


def below(pid: int) -> set[int]:
    """The processes that a process started, and those that they started."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = {int(word) for word in file.read().split()}
    except OSError:
        return set()
    return children.union(*(below(child) for child in children))


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
