"""What a user can get wrong; each message says what would be right."""

from __future__ import annotations

from anyslice.errors import AnysliceError


class ModelFolderError(AnysliceError):
    """A folder is not what `anyslice export` writes, or its files do not belong together."""


class ImageError(AnysliceError):
    """Something is no image, or cannot be brought to the network's format."""


class BudgetError(AnysliceError):
    """No sub-network fits the budget, or none is as accurate as asked."""
