"""The one error of this package: a taxonomy that cannot be made from what was given."""

from __future__ import annotations


class TaxonomyError(ValueError):
    """The message says what was wrong, where, and what would be right."""
