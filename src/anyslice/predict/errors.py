"""What a user can get wrong; each message says what would be right."""

from __future__ import annotations


class RunFolderError(ValueError):
    """A folder is not that of a finished training, or its files do not belong together."""


class ImageError(ValueError):
    """Something is no image, or cannot be brought to the network's format."""


class BudgetError(ValueError):
    """No sub-network fits the budget, or none is as accurate as asked."""
