"""What the makers of the course run; no part of the installed package."""

__all__: list[str] = []
