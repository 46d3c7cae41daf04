"""The ground: errors, presets, shapes, sizes of pictures, weight files; it imports no other folder of idnb."""

__all__: list[str] = []
