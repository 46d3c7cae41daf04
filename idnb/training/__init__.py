"""The paper's training, in reading order: config, losses, augmentation, pair_data, step, run; then the loop.

The names below are imported when they are first used, so that one module of this folder does not load all of them.
"""

from importlib import import_module
from typing import Any

# Public name -> the module that defines it.
_EXPORTS = {
    "EncoderConfig": "idnb.training.config",
    "EncoderLoss": "idnb.training.losses",
    "Phase": "idnb.training.config",
    "train_encoder": "idnb.training.run",
}

__all__ = ["EncoderConfig", "EncoderLoss", "Phase", "train_encoder"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'idnb.training' has no attribute {name!r}; it offers {', '.join(__all__)}")
