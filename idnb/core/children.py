"""Processes that a command starts: they end when it does, and how they ended is told."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

__all__ = ["end_with_parent", "how_it_ended"]


def end_with_parent() -> None:
    """Called by a process of `multiprocessing`: it ends when its parent has gone, were that killed."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(128 + signal.SIGTERM)


def how_it_ended(code: int) -> str:
    """What an exit code other than 0 means, in words."""
    if code < 0:
        killed = f"was ended from outside by signal {-code}"
        return killed + (", as the system does where memory is short" if code == -9 else "")
    return f"ended with exit code {code}; its own message stands above"
