"""The one error of this package: data that is missing, damaged or not what was promised."""

from __future__ import annotations

from anyslice.errors import AnysliceError


class DataError(AnysliceError):
    """The message names the file, what is wrong with it and what would be right."""
