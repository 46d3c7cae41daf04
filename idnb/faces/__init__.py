"""Where faces come from: rendered people, photos, and the pairs that experiments draw from them."""

__all__: list[str] = []
