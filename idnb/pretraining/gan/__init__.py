"""How the generator was trained: grown with the codes of rendered people, then sharpened against real pictures."""

__all__: list[str] = []
