"""One file a command: read options, call, print. `idnb/__main__.py` imports the one that was asked for."""

__all__: list[str] = []
