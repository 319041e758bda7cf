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
    Convention,
    Everywhere,
    NotMeasurableError,
    OfFigure,
    Quantity,
    Study,
    Subnetwork,
    Tables,
    curve_of,
    subnetwork_of,
    table_of,
)
from anyslice.config.checked_yaml import STRICT

SAME_COST = 1.25
"""Networks whose costs differ by no more than this factor count as of the same FLOPs."""


@dataclass(frozen=True, config=STRICT)
class SubnetworkError(Quantity):
    """The error of one sub-network, in percent."""

    kind: Literal["error"]
    role: str
    subnetwork: Subnetwork

    def value(self, tables: Tables) -> float:
        """In percent."""
        return float(subnetwork_of(tables, self.figure, self.role, self.subnetwork).error)


@dataclass(frozen=True, config=STRICT)
class ErrorDifference(Quantity):
    """How many points more one sub-network errs than another."""

    kind: Literal["error-difference"]
    of: str
    against: str
    subnetwork: Subnetwork

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
    of: str
    against: str
    subnetwork: Subnetwork

    def errors(self, tables: Tables) -> tuple[float, float]:
        """Of the two sub-networks."""
        ours, theirs = (
            float(subnetwork_of(tables, self.figure, role, self.subnetwork).error)
            for role in (self.of, self.against)
        )
        return ours, theirs


@dataclass(frozen=True, config=STRICT)
class ErrorReductionAtSameCost(_Reduction):
    """By how many percent a full network errs less than the full network of a family of its size.

    The family's run of the nearest cost is taken.
    """

    kind: Literal["error-reduction-at-same-cost"]
    of: str
    family: str
    cost: Convention = "all_ops"

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
class Pair(OfFigure):
    """Of two curves of a figure.

    Attributes:
        of, against: roles, or a family, whose networks of fixed budget then make the curve.
    """

    of: str
    against: str
    cost: Convention = "all_ops"

    def curves(self, tables: Tables) -> tuple[Curve, Curve]:
        """Ours and theirs."""
        ours = curve_of(tables, self.figure, self.of, self.cost)
        return ours, curve_of(tables, self.figure, self.against, self.cost)

    def gaps(self, tables: Tables) -> tuple[float, ...]:
        """Theirs less ours at each cost that both have."""
        _, found = gaps(*self.curves(tables))
        if not found:
            raise self._no_shared_cost()
        return found

    def mean_gap(self, tables: Tables) -> float:
        """Theirs less ours over all costs that both have."""
        gap = mean_gap(*self.curves(tables))
        if gap is None:
            raise self._no_shared_cost()
        return gap

    def _no_shared_cost(self) -> NotMeasurableError:
        return NotMeasurableError(f"{self.of} and {self.against} share no cost")


class _AtMost(Pair, Quantity):
    """What one curve has over another, at most; noise makes that larger, so a mean decides."""

    judged_by: ClassVar[str] = "mean error gap at equal cost, in points"

    def margin(self, tables: Tables) -> float:
        """Theirs less ours."""
        return self.mean_gap(tables)


@dataclass(frozen=True, config=STRICT)
class Saving(_AtMost):
    """How many percent less a network costs than another for the same error, at most."""

    kind: Literal["saving"]

    def value(self, tables: Tables) -> float:
        """In percent; negative if it always costs more."""
        ours, theirs = self.curves(tables)
        saving = largest_saving(ours, theirs)
        if saving is None:
            raise NotMeasurableError(
                f"the curves of {self.of} and {self.against} share no error "
                f"({_range(ours)} and {_range(theirs)})"
            )
        return saving

    def estimate(self, study: Study, seeds: Seeds) -> Estimate:
        """The interval is that of the lead in points; see `estimate_saving`."""
        self.value(study(seeds))  # says why, where there is no saving
        return estimate_saving(lambda some: self.curves(study(some)), seeds)


@dataclass(frozen=True, config=STRICT)
class LargestGap(_AtMost):
    """By how many points `against` errs more than `of` at equal cost, at most."""

    kind: Literal["largest-gap"]

    def value(self, tables: Tables) -> float:
        """In percentage points; negative if `of` always errs more."""
        return max(self.gaps(tables))


@dataclass(frozen=True, config=STRICT)
class MeanGap(Pair, Quantity):
    """By how many points `against` errs more than `of` at equal cost, on average."""

    kind: Literal["mean-gap"]

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        return self.mean_gap(tables)


@dataclass(frozen=True, config=STRICT)
class GapEverywhere(Pair, Everywhere):
    """By how many points `against` errs more than `of` at each cost that both have."""

    kind: Literal["gap-everywhere"]

    def values(self, tables: Tables) -> tuple[float, ...]:
        """In percentage points."""
        return self.gaps(tables)


@dataclass(frozen=True, config=STRICT)
class GapGrowth(Pair, Quantity):
    """By how many points the mean gap is larger over the cheaper half of the shared costs."""

    kind: Literal["gap-growth"]

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        growth = gap_growth(*self.curves(tables))
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
    of: str
    cost: Convention = "all_ops"

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
    of: str
    at: float
    against: str
    cost: Convention = "all_ops"

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
    role: str
    error: float
    unit: float
    cost: Convention = "all_ops"

    def value(self, tables: Tables) -> float:
        """In `unit` operations."""
        curve = curve_of(tables, self.figure, self.role, self.cost)
        cost = curve.cost_at(self.error)
        if cost is None:
            raise NotMeasurableError(
                f"{self.error} % is outside the curve of {self.role} ({_range(curve)})"
            )
        return cost / self.unit


def _range(curve: Curve) -> str:
    return f"{min(curve.errors):.1f}-{curve.errors[0]:.1f} %"
