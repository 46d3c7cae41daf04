"""The networks, each written once and sized by a preset."""

__all__: list[str] = []
