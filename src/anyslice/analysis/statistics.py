"""Statistics over seeds, and curves of error against cost that are compared where both exist."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, isnan, log, nan

import numpy as np
from scipy import stats

Seeds = tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """A number that a study gives, with its 95 % interval over seeds.

    Attributes:
        value: of the curves averaged over all seeds.
        low, high: the ends of the interval; nan of one seed.
        half: half the width of Student's t interval around the value, in which no bias is
            reckoned; nan of one seed.
        df: its degrees of freedom; 0 of one seed.
    """

    value: float
    low: float
    high: float
    half: float
    df: int = 0

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, -self.high, -self.low, self.half, self.df)

    def p_within(self, above: float, below: float) -> float:
        """The smallest p at which the interval of level 1 - p lies between the bounds.

        Of one bound, the other infinite, the two-sided p value; of two it is twice that of the two
        one-sided tests (TOST). nan of one seed.
        """
        return max(self._p(self.low + self.half - above), self._p(below - self.high + self.half))

    def p_beyond(self, above: float, below: float) -> float:
        """The same of an interval that lies whole on the far side of one of the bounds."""
        return min(self._p(above - self.high + self.half), self._p(self.low + self.half - below))

    def _p(self, distance: float) -> float:
        """Of a point that lies so far on the right side of a bound."""
        if not self.half > 0:
            return nan if isnan(self.half) else float(distance <= 0)
        error = self.half / stats.t.ppf(0.975, self.df)
        return min(1.0, 2 * float(stats.t.sf(distance / error, self.df)))


def estimate(statistic: Callable[[Seeds], float], seeds: Seeds) -> Estimate:
    """The jackknife-t interval of a statistic of the curves averaged over seeds.

    For a mean it is Student's interval. The largest value of a noisy curve is too large on average,
    by an amount that the jackknife estimates, though not well: so the interval reaches from that
    of the corrected value to that of the value itself.
    """
    value = statistic(seeds)
    n = len(seeds)
    if n < 2:
        return Estimate(value, nan, nan, nan)
    without = np.array([statistic(_without(seed, seeds)) for seed in seeds])
    half = float(stats.t.ppf(0.975, n - 1) * _standard_error(without))
    corrected = float(n * value - (n - 1) * without.mean())
    return Estimate(value, min(value, corrected) - half, max(value, corrected) + half, half, n - 1)


def smallest(points: Sequence[Estimate]) -> Estimate:
    """The smallest of several means, with an interval that has it with 95 % or more.

    Its low end is the lowest of the means' own intervals: it is above a bound if each of them is.
    Its high end is the lowest of intervals that are wide enough to hold all at once (Bonferroni),
    since with many means one lies far off by chance.
    """
    least = min(points, key=lambda point: point.value)
    if isnan(least.half):
        return least
    wider = stats.t.ppf(1 - 0.025 / len(points), least.df) / stats.t.ppf(0.975, least.df)
    low = min(point.value - point.half for point in points)
    high = min(point.value + wider * point.half for point in points)
    return Estimate(least.value, low, float(high), least.half, least.df)


def two_way(gap: float, errors: np.ndarray) -> Estimate:
    """The gap of two networks, its interval from the residual of a model network + seed.

    Pooling over all networks of the model gives (networks - 1)(seeds - 1) degrees of freedom. Of
    two networks it is the paired t interval.

    Args:
        gap: in percentage points.
        errors: mean errors of shape (networks, seeds), in percent.
    """
    networks, n = errors.shape
    df = (networks - 1) * (n - 1)
    if df == 0:
        return Estimate(gap, nan, nan, nan)
    rows, columns = errors.mean(axis=1, keepdims=True), errors.mean(axis=0)
    variance = ((errors - rows - columns + errors.mean()) ** 2).sum() / df
    half = float(stats.t.ppf(0.975, df) * np.sqrt(2 * variance / n))
    return Estimate(gap, gap - half, gap + half, half, df)


def mean_errors(curves: Sequence[Curve]) -> list[float]:
    """The mean error of each over log(cost), over the costs that all of them reach, in percent.

    Raises:
        ValueError: if there are none.
    """
    low, high = max(c.costs[0] for c in curves), min(c.costs[-1] for c in curves)
    if low > high:
        raise ValueError(f"the curves share no cost ({low:g} > {high:g})")
    found = []
    for curve in curves:
        x = np.log([low, *(cost for cost in curve.costs if low < cost < high), high])
        found.append(
            _mean(x if low < high else x[:1], np.interp(x, np.log(curve.costs), curve.errors))
        )
    return found


def holm(p: Sequence[float]) -> list[float]:
    """The p values adjusted for their number by Holm's method (1979)."""
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1)).clip(max=1)
    return [float(adjusted[rank]) for rank in np.argsort(order)]


def _without(seed: int, seeds: Seeds) -> Seeds:
    return tuple(other for other in seeds if other != seed)


def _standard_error(without: np.ndarray) -> np.ndarray:
    """The jackknife's, of values that each leave out one seed (the first axis)."""
    n = len(without)
    error: np.ndarray = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    return error


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean, Student's t; (nan, nan) of fewer than two values."""
    if len(values) < 2:
        return nan, nan
    mean = float(np.mean(values))
    half = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return mean - half, mean + half


def interval(values: Sequence[float]) -> tuple[float, float]:
    """What a figure's bars show: the 95 % interval of three or more seeds, else their range.

    With two seeds the t interval is nine times their distance, which would hide the figure.
    """
    return t_interval(values) if len(values) > 2 else (min(values), max(values))


def describe_interval(seeds: int) -> str:
    """What `interval` gives for that many seeds, for a figure's caption."""
    if seeds == 1:
        return "1 seed"
    return f"mean of {seeds} seeds, bars: " + ("their range" if seeds == 2 else "95 % interval (t)")


@dataclass(frozen=True)
class Curve:
    """Error against cost of one network's sub-networks, linear in log(cost) between them.

    It exists between its cheapest and its dearest sub-network only: nothing is extrapolated.

    Attributes:
        costs: operations of each sub-network, ascending.
        errors: of each sub-network, in percent; they need not fall.
    """

    costs: tuple[float, ...]
    errors: tuple[float, ...]

    @classmethod
    def of(cls, costs: Sequence[float], errors: Sequence[float]) -> Curve:
        """The curve through points in any order.

        Raises:
            ValueError: if there is no point, or a point without cost.
        """
        points = sorted(zip(map(float, costs), map(float, errors), strict=True))
        if not points or points[0][0] <= 0:
            raise ValueError(f"a curve needs points of a cost above 0 (found {points})")
        return cls(tuple(c for c, _ in points), tuple(e for _, e in points))

    def error_at(self, cost: float) -> float | None:
        """The error at that cost; None beyond the ends."""
        if not self.costs[0] <= cost <= self.costs[-1]:
            return None
        return float(np.interp(log(cost), np.log(self.costs), self.errors))

    def cost_at(self, error: float) -> float | None:
        """The lowest cost at which the curve reaches the error.

        None for an error that it never reaches, or has surpassed already with its cheapest
        sub-network: which cost would just do is unknown.
        """
        if not min(self.errors) <= error <= self.errors[0]:
            return None
        if error == self.errors[0]:
            return self.costs[0]
        k = next(k for k, reached in enumerate(self.errors) if reached <= error)
        fraction = (self.errors[k - 1] - error) / (self.errors[k - 1] - self.errors[k])
        return exp(log(self.costs[k - 1]) + fraction * log(self.costs[k] / self.costs[k - 1]))


def largest_saving(curve: Curve, other: Curve) -> float | None:
    """How many percent less `curve` costs than `other` for the same error, at most.

    Over the errors that both reach; negative if it always costs more. None if they share no error.
    """
    low = max(min(curve.errors), min(other.errors))
    high = min(curve.errors[0], other.errors[0])
    breaks = {e for e in (*curve.errors, *other.errors, low, high) if low <= e <= high}
    just_below = {e - 1e-9 for e in breaks if e - 1e-9 >= low}
    savings = [
        100 * (1 - ours / theirs)
        for error in breaks | just_below
        if (ours := curve.cost_at(error)) and (theirs := other.cost_at(error))
    ]
    return max(savings, default=None)


def largest_lead(curve: Curve, other: Curve, factor: float, end: float) -> float:
    """How many points `other` errs more than `curve` at `factor` of its cost, at most.

    Of both, the best sub-network that a cost can buy is taken.

    Args:
        curve: it exists at `factor` of some of those costs.
        other: compared at its costs up to `end`.
        factor: above 0.
        end: where `other` ends. With the cost at which it errs least, the lead is above 0 exactly
            if `curve` needs less than `factor` of its cost for some error.
    """
    first = max(other.costs[0], curve.costs[0] / factor)
    points = np.array([first, end, *other.costs, *(cost / factor for cost in curve.costs)])
    costs = np.log(points[(first <= points) & (points <= max(first, end))])
    theirs, ours = (np.minimum.accumulate(c.errors) for c in (other, curve))
    lead = np.interp(costs, np.log(other.costs), theirs) - np.interp(
        costs + log(factor), np.log(curve.costs), ours
    )
    return float(lead.max())


def estimate_saving(curves: Callable[[Seeds], tuple[Curve, Curve]], seeds: Seeds) -> Estimate:
    """`largest_saving` of the curves averaged over seeds, with the interval of its lead.

    Where curves are flat, a little noise moves the cost of an error by much, and the jackknife of
    the saving itself holds the true one too seldom. So the interval has the savings at which the
    interval of the lead, in points, has 0. Whether the other curve's dearest sub-networks err less
    than a cheaper one is then a matter of chance: the low end leaves out those that do not, the
    high end has them all. `half` is the jackknife's.

    Args:
        curves: of a study of some of the seeds; the first is the one that saves.
    """
    curves = cache(curves)
    plain = estimate(lambda some: _saving(curves(some)), seeds)
    if len(seeds) < 2:
        return plain
    ours, theirs = curves(seeds)
    cheapest, dearest = ours.costs[0] / theirs.costs[-1], ours.costs[-1] / theirs.costs[0]
    factors = np.geomspace(cheapest, max(1, dearest), 100_000)

    def lead(factor: float, whole: bool) -> Estimate:
        """Over the whole of the other curve, or up to the cost at which it errs least."""

        def of(some: Seeds) -> float:
            ours, theirs = curves(some)
            end = -1 if whole else int(np.argmin(theirs.errors))
            return largest_lead(ours, theirs, factor, theirs.costs[end])

        return estimate(of, seeds)

    # A larger part of the cost gives a larger lead.
    sure = bisect_left(factors[:-1], True, key=lambda part: lead(part, whole=False).low > 0)
    possible = bisect_left(factors[:-1], True, key=lambda part: lead(part, whole=True).high >= 0)
    low, high = (100 * (1 - float(factors[i])) for i in (sure, possible))
    return Estimate(
        plain.value, min(low, plain.value), max(high, plain.value), plain.half, plain.df
    )


def _saving(curves: tuple[Curve, Curve]) -> float:
    saving = largest_saving(*curves)
    return nan if saving is None else saving


def gaps(curve: Curve, other: Curve) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The costs of all points where both curves are, and how much more `other` errs there.

    In percentage points. Between them the gap is linear in log(cost), so it has its extremes there.
    Both are empty if the curves share no cost.
    """
    low, high = max(curve.costs[0], other.costs[0]), min(curve.costs[-1], other.costs[-1])
    costs = tuple(sorted({c for c in (*curve.costs, *other.costs) if low <= c <= high}))
    theirs, ours = (np.interp(np.log(costs), np.log(c.costs), c.errors) for c in (other, curve))
    return costs, tuple((theirs - ours).tolist())


def mean_gap(curve: Curve, other: Curve) -> float | None:
    """How many percentage points more `other` errs at equal cost, averaged over log(cost).

    Linear in the errors, hence without bias. None if the curves share no cost.
    """
    costs, between = gaps(curve, other)
    return _mean(np.log(costs), np.array(between)) if costs else None


def gap_growth(curve: Curve, other: Curve) -> float | None:
    """By how many points `mean_gap` is larger over the cheaper half of the costs than the dearer.

    None if the curves share no range of costs.
    """
    costs, between = gaps(curve, other)
    if len(costs) < 2:
        return None
    x = np.log(costs)
    middle = (x[0] + x[-1]) / 2
    halves = (np.append(x[x < middle], middle), np.append(middle, x[x > middle]))
    cheap, dear = (_mean(half, np.interp(half, x, between)) for half in halves)
    return cheap - dear


def _mean(x: np.ndarray, y: np.ndarray) -> float:
    """Of the line through the points, over x."""
    return float(np.trapezoid(y, x) / (x[-1] - x[0]) if len(x) > 1 else y[0])
