"""The errors that bad input raises."""

__all__ = ["InputError", "InputErrors"]


class InputError(ValueError):
    """Raised for input a person can correct; the message names the file or argument and the remedy."""


class InputErrors(InputError):
    """Several of them at once: the message has a line for each."""
