"""The one error that bad input raises."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Raised for input a person can correct; the message names the file or argument and the remedy."""
