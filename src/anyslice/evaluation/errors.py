"""Statistics over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean (Student's t) over three or more seeds, else their range.

    With two seeds the t interval is nine times their distance and says nothing more.
    """
    if len(values) < 3:
        return min(values), max(values)
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    mean = float(np.mean(values))
    return mean - half, mean + half


def describe_interval(seeds: int) -> str:
    """What `interval` gives for that many seeds, for a figure's caption."""
    if seeds == 1:
        return "1 seed"
    return f"mean of {seeds} seeds, " + ("bars: range" if seeds == 2 else "bars: 95 % interval")
