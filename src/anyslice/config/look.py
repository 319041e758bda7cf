"""How a figure of a scale looks: keys that have defaults, so that a figure need not have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Literal

from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import STRICT, Count

CostColumn = Literal["macs", "all_ops", "params"]
AxisScale = Literal["linear", "log"]


@dataclass(frozen=True, config=STRICT)
class Style:
    """How one run is drawn, instead of as its family is (see `config.family`)."""

    label: str | None = None
    colour: str | None = None
    marker: str | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """What Matplotlib would refuse."""
        for key, problem in look_problems(self.colour, self.marker):
            if getattr(self, key) is not None:
                yield key, problem


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Look:
    """What every figure may say of its look.

    Attributes:
        title: above the figure, instead of its number and the data set.
        seeds: those shown, of the scale's; all by default.
        styles: for runs that the figure shows, by name.
    """

    title: str | None = None
    seeds: tuple[Count, ...] | None = None
    styles: dict[str, Style] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CostLook(Look):
    """That of a figure of error against cost.

    Attributes:
        x: the cost: "macs", "all_ops" (as the authors count operations) or "params".
        y_scale: of the error.
    """

    x: CostColumn = "macs"
    y_scale: AxisScale = "linear"


def look_problems(colour: object, marker: object) -> Iterator[tuple[str, str]]:
    """Whether Matplotlib knows a colour and a marker; which of them it does not know, and why."""
    from matplotlib.colors import is_color_like
    from matplotlib.markers import MarkerStyle

    if not is_color_like(colour):
        yield "colour", f"{colour!r} is no colour of Matplotlib"
    if not isinstance(marker, str) or marker not in MarkerStyle.markers:
        yield "marker", f"{marker!r} is no marker of Matplotlib"
