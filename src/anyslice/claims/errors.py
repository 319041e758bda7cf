"""Errors of sub-networks, and curves compared at equal cost or error: Figures 3a, 3c and 4.

Costs are counted as the authors count unless `cost` says otherwise; gaps, losses and differences
are in percentage points.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from anyslice.analysis.statistics import (
    Curve,
    Estimate,
    Seeds,
    estimate_saving,
    gap_growth,
    gaps,
    largest_saving,
    mean_gap,
)
from anyslice.claims.quantity import (
    STRICT,
    Cost,
    Everywhere,
    NotMeasurableError,
    Position,
    Quantity,
    Study,
    Tables,
    curve_of,
    subnetwork_of,
    table_of,
)

SAME_COST = 1.25
"""Networks whose costs differ by no more than this factor count as of the same FLOPs."""


@dataclass(frozen=True, config=STRICT)
class SubnetworkError(Quantity):
    """The error of one sub-network, in percent."""

    kind: Literal["error"]
    figure: str
    role: str
    subnetwork: Position

    def value(self, tables: Tables) -> float:
        """In percent."""
        return float(subnetwork_of(tables, self.figure, self.role, self.subnetwork).error)


@dataclass(frozen=True, config=STRICT)
class ErrorDifference(Quantity):
    """How many points more one sub-network errs than another."""

    kind: Literal["error-difference"]
    figure: str
    of: str
    against: str
    subnetwork: Position

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        ours, theirs = (
            subnetwork_of(tables, self.figure, role, self.subnetwork).error
            for role in (self.of, self.against)
        )
        return float(ours - theirs)


class _Reduction(Quantity):
    """By how many percent one error is smaller than another."""

    judged_by: ClassVar[str] = "difference of the errors, in points"

    @abstractmethod
    def errors(self, tables: Tables) -> tuple[float, float]:
        """Ours and theirs, in percent."""

    def value(self, tables: Tables) -> float:
        """In percent; negative if the error is larger."""
        ours, theirs = self.errors(tables)
        return 100 * (1 - ours / theirs)

    def margin(self, tables: Tables) -> float:
        """Theirs less ours."""
        ours, theirs = self.errors(tables)
        return theirs - ours


@dataclass(frozen=True, config=STRICT)
class ErrorReduction(_Reduction):
    """By how many percent the error of one sub-network is smaller than that of another."""

    kind: Literal["error-reduction"]
    figure: str
    of: str
    against: str
    subnetwork: Position

    def errors(self, tables: Tables) -> tuple[float, float]:
        """Of the two sub-networks."""
        ours = subnetwork_of(tables, self.figure, self.of, self.subnetwork)
        theirs = subnetwork_of(tables, self.figure, self.against, self.subnetwork)
        return float(ours.error), float(theirs.error)


@dataclass(frozen=True, config=STRICT)
class ErrorReductionAtSameCost(_Reduction):
    """By how many percent a full network errs less than the full network of a family of its size.

    The family's run of the nearest cost is taken.
    """

    kind: Literal["error-reduction-at-same-cost"]
    figure: str
    of: str
    family: str
    cost: Cost = "all_ops"

    def errors(self, tables: Tables) -> tuple[float, float]:
        """Of the two full networks."""
        ours = subnetwork_of(tables, self.figure, self.of, "full")
        rows = table_of(tables, self.figure)
        family = rows[(rows.family == self.family) & (rows.subnetwork == rows.K)]
        if family.empty:
            raise NotMeasurableError(f"{self.figure} has no {self.family}")
        factors = np.exp(np.abs(np.log(family[self.cost] / ours[self.cost])))
        if factors.min() > SAME_COST:
            raise NotMeasurableError(
                f"no full {self.family} has the cost of the full {self.of}; the nearest differs by "
                f"a factor of {factors.min():.2f}"
            )
        return float(ours.error), float(family.error[factors.idxmin()])


@dataclass(frozen=True, config=STRICT)
class Saving(Quantity):
    """How many percent less a network costs than another for the same error, at most."""

    kind: Literal["saving"]
    figure: str
    of: str
    against: str
    cost: Cost = "all_ops"
    judged_by: ClassVar[str] = "mean error gap at equal cost, in points"

    def value(self, tables: Tables) -> float:
        """In percent; negative if it always costs more."""
        ours, theirs = _curves(self, tables)
        saving = largest_saving(ours, theirs)
        if saving is None:
            raise NotMeasurableError(
                f"the curves of {self.of} and {self.against} share no error "
                f"({_range(ours)} and {_range(theirs)})"
            )
        return saving

    def margin(self, tables: Tables) -> float:
        """Theirs less ours."""
        return _mean_gap(self, tables)

    def estimate(self, study: Study, seeds: Seeds) -> Estimate:
        """The interval is that of the lead in points; see `estimate_saving`."""
        self.value(study(seeds))  # says why, where there is no saving
        return estimate_saving(lambda some: _curves(self, study(some)), seeds)


@dataclass(frozen=True, config=STRICT)
class LargestGap(Quantity):
    """By how many points `against` errs more than `of` at equal cost, at most."""

    kind: Literal["largest-gap"]
    figure: str
    of: str
    against: str
    cost: Cost = "all_ops"
    judged_by: ClassVar[str] = "mean error gap at equal cost, in points"

    def value(self, tables: Tables) -> float:
        """In percentage points; negative if `of` always errs more."""
        return max(_gaps(self, tables))

    def margin(self, tables: Tables) -> float:
        """Theirs less ours."""
        return _mean_gap(self, tables)


@dataclass(frozen=True, config=STRICT)
class MeanGap(Quantity):
    """By how many points `against` errs more than `of` at equal cost, on average.

    Attributes:
        of, against: roles, or a family, whose networks of fixed budget then make the curve.
    """

    kind: Literal["mean-gap"]
    figure: str
    of: str
    against: str
    cost: Cost = "all_ops"

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        return _mean_gap(self, tables)


@dataclass(frozen=True, config=STRICT)
class GapEverywhere(Everywhere):
    """By how many points `against` errs more than `of` at each cost that both have."""

    kind: Literal["gap-everywhere"]
    figure: str
    of: str
    against: str
    cost: Cost = "all_ops"

    def values(self, tables: Tables) -> tuple[float, ...]:
        """In percentage points."""
        return _gaps(self, tables)


@dataclass(frozen=True, config=STRICT)
class GapGrowth(Quantity):
    """By how many points the mean gap is larger over the cheaper half of the shared costs."""

    kind: Literal["gap-growth"]
    figure: str
    of: str
    against: str
    cost: Cost = "all_ops"

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        growth = gap_growth(*_curves(self, tables))
        if growth is None:
            raise NotMeasurableError(f"{self.of} and {self.against} share no range of costs")
        return growth


@dataclass(frozen=True, config=STRICT)
class BestAtCost(Everywhere):
    """By how many points every other network errs more at the cost of this one.

    Of anytime networks and of other families' networks of fixed budget, wherever their curves reach
    that cost.
    """

    kind: Literal["best-at-its-cost"]
    figure: str
    of: str
    cost: Cost = "all_ops"

    def values(self, tables: Tables) -> tuple[float, ...]:
        """In percentage points."""
        ours = subnetwork_of(tables, self.figure, self.of, "full")
        others = table_of(tables, self.figure)
        others = others[others.family != ours.family]
        rivals = dict.fromkeys(np.where(others.K == 1, others.family, others.role))
        curves = (curve_of(tables, self.figure, str(rival), self.cost) for rival in rivals)
        errors = (curve.error_at(float(ours[self.cost])) for curve in curves)
        found = tuple(error - float(ours.error) for error in errors if error is not None)
        if not found:
            raise NotMeasurableError(f"no other network reaches the cost of {self.of}")
        return found


@dataclass(frozen=True, config=STRICT)
class ErrorAtCost(Quantity):
    """How many points more a network errs at a given cost than another, full network."""

    kind: Literal["error-at-cost"]
    figure: str
    of: str
    at: float
    against: str
    cost: Cost = "all_ops"

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        theirs = subnetwork_of(tables, self.figure, self.against, "full").error
        curve = curve_of(tables, self.figure, self.of, self.cost)
        ours = curve.error_at(self.at)
        if ours is None:
            raise NotMeasurableError(
                f"no sub-network of {self.of} costs {self.at:.2g} operations "
                f"({curve.costs[0]:.2g}-{curve.costs[-1]:.2g})"
            )
        return ours - float(theirs)


@dataclass(frozen=True, config=STRICT)
class CostAtError(Quantity):
    """What a network costs where it reaches an error, in `unit` operations."""

    kind: Literal["cost-at-error"]
    figure: str
    role: str
    error: float
    unit: float
    cost: Cost = "all_ops"

    def value(self, tables: Tables) -> float:
        """In `unit` operations."""
        curve = curve_of(tables, self.figure, self.role, self.cost)
        cost = curve.cost_at(self.error)
        if cost is None:
            raise NotMeasurableError(
                f"{self.error} % is outside the curve of {self.role} ({_range(curve)})"
            )
        return cost / self.unit


_Pair = Saving | LargestGap | MeanGap | GapEverywhere | GapGrowth


def _curves(pair: _Pair, tables: Tables) -> tuple[Curve, Curve]:
    ours, theirs = (
        curve_of(tables, pair.figure, role, pair.cost) for role in (pair.of, pair.against)
    )
    return ours, theirs


def _gaps(pair: _Pair, tables: Tables) -> tuple[float, ...]:
    _, found = gaps(*_curves(pair, tables))
    if not found:
        raise _no_shared_cost(pair)
    return found


def _mean_gap(pair: _Pair, tables: Tables) -> float:
    gap = mean_gap(*_curves(pair, tables))
    if gap is None:
        raise _no_shared_cost(pair)
    return gap


def _no_shared_cost(pair: _Pair) -> NotMeasurableError:
    return NotMeasurableError(f"{pair.of} and {pair.against} share no cost")


def _range(curve: Curve) -> str:
    return f"{min(curve.errors):.1f}-{curve.errors[0]:.1f} %"
