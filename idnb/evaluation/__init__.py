"""Measuring: pairs, the test set with its judges, metrics, fidelity, intervals, the protocol, methods by name.

The names below are imported when they are first used, so that one module of this folder does not load all of them.
"""

from importlib import import_module
from typing import Any

# Public name -> the module that defines it.
_EXPORTS = {
    "Setting": "idnb.evaluation.setting",
    "evaluate": "idnb.evaluation.protocol",
    "example_pairs": "idnb.evaluation.setting",
    "pairs_of": "idnb.evaluation.setting",
}

__all__ = ["Setting", "evaluate", "example_pairs", "pairs_of"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'idnb.evaluation' has no attribute {name!r}; it offers {', '.join(__all__)}")
