"""The one base of the package's own exceptions."""

from __future__ import annotations


class AnysliceError(ValueError):
    """What a person can put right: a parameter, a file, a choice.

    The command line shows its message as one line. Any other exception but OSError is a fault of
    the package, and keeps its traceback.
    """


class DivergedError(AnysliceError):
    """A loss or a weight is not finite."""
