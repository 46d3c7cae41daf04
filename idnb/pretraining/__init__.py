"""How the frozen, bundled networks were made: identity network, judge, parser, attributes, features, generator."""

__all__: list[str] = []
