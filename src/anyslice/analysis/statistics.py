"""Statistics over seeds, and curves of error against MACs that are compared where both exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, nan

import numpy as np
from scipy import stats


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean, Student's t; (nan, nan) of fewer than two values."""
    if len(values) < 2:
        return nan, nan
    mean = float(np.mean(values))
    half = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return mean - half, mean + half


def interval(values: Sequence[float]) -> tuple[float, float]:
    """What a figure's bars show: the 95 % interval of three or more seeds, else their range.

    With two seeds the t interval is nine times their distance: drawn, it would hide the figure.
    """
    return t_interval(values) if len(values) > 2 else (min(values), max(values))


def describe_interval(seeds: int) -> str:
    """What `interval` gives for that many seeds, for a figure's caption."""
    if seeds == 1:
        return "1 seed"
    return f"mean of {seeds} seeds, bars: " + ("their range" if seeds == 2 else "95 % interval (t)")


@dataclass(frozen=True)
class Curve:
    """Error against MACs of one network's sub-networks, linear in log(MACs) between them.

    It exists between its cheapest and its dearest sub-network only: nothing is extrapolated.

    Attributes:
        macs: of each sub-network, ascending.
        errors: of each sub-network, in percent; they need not fall.
    """

    macs: tuple[float, ...]
    errors: tuple[float, ...]

    @classmethod
    def of(cls, macs: Sequence[float], errors: Sequence[float]) -> Curve:
        """The curve through points in any order.

        Raises:
            ValueError: if there is no point, or a point without cost.
        """
        points = sorted(zip(map(float, macs), map(float, errors), strict=True))
        if not points or points[0][0] <= 0:
            raise ValueError(f"a curve needs points of more than 0 MACs (found {points})")
        return cls(tuple(m for m, _ in points), tuple(e for _, e in points))

    def error_at(self, macs: float) -> float | None:
        """The error for that many MACs; None beyond the ends."""
        if not self.macs[0] <= macs <= self.macs[-1]:
            return None
        return float(np.interp(log(macs), np.log(self.macs), self.errors))

    def macs_at(self, error: float) -> float | None:
        """The fewest MACs with which the curve reaches the error.

        None for an error that it never reaches, or has surpassed already with its cheapest
        sub-network: which MACs would just do is unknown.
        """
        if not min(self.errors) <= error <= self.errors[0]:
            return None
        if error == self.errors[0]:
            return self.macs[0]
        k = next(k for k, reached in enumerate(self.errors) if reached <= error)
        fraction = (self.errors[k - 1] - error) / (self.errors[k - 1] - self.errors[k])
        return exp(log(self.macs[k - 1]) + fraction * log(self.macs[k] / self.macs[k - 1]))


def largest_saving(curve: Curve, other: Curve) -> float | None:
    """How many percent fewer MACs `curve` needs than `other` for the same error, at most.

    Over the errors that both reach; negative if it always needs more. None if they share no error.
    """
    low = max(min(curve.errors), min(other.errors))
    high = min(curve.errors[0], other.errors[0])
    breaks = {e for e in (*curve.errors, *other.errors, low, high) if low <= e <= high}
    just_below = {e - 1e-9 for e in breaks if e - 1e-9 >= low}
    savings = [
        100 * (1 - ours / theirs)
        for error in breaks | just_below
        if (ours := curve.macs_at(error)) and (theirs := other.macs_at(error))
    ]
    return max(savings, default=None)


def largest_gap(curve: Curve, other: Curve) -> float | None:
    """By how many percentage points `other` errs more than `curve` for the same MACs, at most.

    Over the MACs that both have; None if they share none.
    """
    gaps = [
        theirs - ours
        for macs in (*curve.macs, *other.macs)
        if (ours := curve.error_at(macs)) is not None
        and (theirs := other.error_at(macs)) is not None
    ]
    return max(gaps, default=None)
