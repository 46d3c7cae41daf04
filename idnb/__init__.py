"""GAN inversion by building it: one picture gives a face its contour, another its identity.

Everything below is imported when it is first used, so `import idnb` costs nothing.
"""

from importlib import import_module
from typing import Any

# Public name -> the module that defines it.
_EXPORTS = {
    "load_encoder": "idnb.models.encoder_files",
    "load_faces": "idnb.faces.sources",
    "load_generator": "idnb.models.stylegan2_files",
    "load_identity_network": "idnb.models.identity_files",
    "InputError": "idnb.core.errors",
}

__all__ = ["load_encoder", "load_faces", "load_generator", "load_identity_network", "InputError", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("idnb")
    if name in _EXPORTS:
        value = getattr(import_module(_EXPORTS[name]), name)
        globals()[name] = value  # the next look-up does not come here
        return value
    raise AttributeError(f"module 'idnb' has no attribute {name!r}; it offers {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
