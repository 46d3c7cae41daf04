"""How the generator was trained: grown with the codes of rendered people, then fine-tuned as a projected GAN."""

__all__: list[str] = []
