"""How the frozen, bundled networks were made: identity network and judge, readers, perceptual features, generator."""

__all__: list[str] = []
