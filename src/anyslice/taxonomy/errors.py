"""The one error of this package: a taxonomy that cannot be made from what was given."""

from __future__ import annotations

from anyslice.errors import AnysliceError


class TaxonomyError(AnysliceError):
    """The message says what was wrong, where, and what would be right."""
