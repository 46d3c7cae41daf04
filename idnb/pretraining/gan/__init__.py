"""How the generator was trained: grown from 16 px on, in pairs with an encoder of pictures."""

__all__: list[str] = []
