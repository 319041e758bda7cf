"""What a row of the table of network families is, and the table that finds rows elsewhere too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from anyslice.config.checked_yaml import ParameterError

if TYPE_CHECKING:
    from anyslice.config.families import NetworkParams


@dataclass(frozen=True)
class Family:
    """One row of the table.

    Attributes:
        params: the hyper-parameters, with the family's rules.
        implementation: "<module>:<what builds the network>", imported by `networks.build` only.
        label: the family's name in tables and legends.
        colour: of its lines and points, in a notation of Matplotlib.
        marker: one of Matplotlib's.
    """

    params: type[NetworkParams]
    implementation: str
    label: str
    colour: str
    marker: str

    def load(self) -> Callable[..., Any]:
        """What builds the network; imports its module."""
        module, _, attribute = self.implementation.partition(":")
        builder: Callable[..., Any] = getattr(import_module(module), attribute)
        return builder


class Table(dict[str, Family]):
    """Families by name; one outside the package is looked up when it is named first."""

    outside: ClassVar[dict[str, Family]] = {}

    def __missing__(self, name: str) -> Family:
        if ":" in name:
            from anyslice.config.outside import load_family

            return self.outside.get(name) or self.outside.setdefault(name, load_family(name))
        raise ParameterError(
            f"there is no family {name!r}; choose from {', '.join(self)}, or name one of yours: "
            "<module>:<family>"
        )
