"""A disk that fills up, without one."""

import resource
import signal
from contextlib import contextmanager


@contextmanager
def files_up_to(size: int):
    """Let no file grow beyond `size` bytes, as a disk with so much room would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
