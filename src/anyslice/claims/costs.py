"""Quantities that are counted, not trained: operations, passes and parameters; and wall times."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from anyslice.claims.quantity import (
    Convention,
    NotMeasurableError,
    Quantity,
    Subnetwork,
    Tables,
    subnetwork_of,
    table_of,
)
from anyslice.config.checked_yaml import STRICT


@dataclass(frozen=True, config=STRICT)
class Operations(Quantity):
    """What a full network costs, in `unit` operations."""

    kind: Literal["operations"]
    role: str
    unit: float
    cost: Convention = "all_ops"
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """In `unit` operations."""
        return float(subnetwork_of(tables, self.figure, self.role, "full")[self.cost] / self.unit)


@dataclass(frozen=True, config=STRICT)
class CostReduction(Quantity):
    """By how many percent one sub-network costs less than another."""

    kind: Literal["cost-reduction"]
    of: str
    against: str
    subnetwork: Subnetwork
    cost: Convention = "all_ops"
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """In percent; negative if it costs more."""
        ours, theirs = (
            float(subnetwork_of(tables, self.figure, role, self.subnetwork)[self.cost])
            for role in (self.of, self.against)
        )
        return 100 * (1 - ours / theirs)


@dataclass(frozen=True, config=STRICT)
class TrainingPasses(Quantity):
    """Forward and backward passes of a training step, over those of another network.

    Attributes:
        against: without it a single network of fixed budget, which makes one.
    """

    kind: Literal["training-passes"]
    of: str
    against: str | None = None
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """A factor."""
        ours = subnetwork_of(tables, self.figure, self.of, "full").passes
        if self.against is None:
            return float(ours)
        return float(ours / subnetwork_of(tables, self.figure, self.against, "full").passes)


@dataclass(frozen=True, config=STRICT)
class TrainingMacs(Quantity):
    """MACs of a training step per MAC of the full network, over those of another network.

    Attributes:
        against: without it a single network of fixed budget, whose step is its own MACs.
    """

    kind: Literal["training-macs"]
    of: str
    against: str | None = None
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """A factor."""
        ours = self._work(tables, self.of)
        return ours if self.against is None else ours / self._work(tables, self.against)

    def _work(self, tables: Tables, role: str) -> float:
        full = subnetwork_of(tables, self.figure, role, "full")
        return float(full.step_macs / full.macs)


@dataclass(frozen=True, config=STRICT)
class TrainingTime(Quantity):
    """Wall time of a training over that of another, per epoch and MAC of the full network."""

    kind: Literal["training-time"]
    of: str
    against: str

    def value(self, tables: Tables) -> float:
        """A factor."""
        dataset = table_of(tables, self.figure).dataset.iloc[0]
        runs = table_of(tables, "runs")

        def time(role: str) -> float:
            run = subnetwork_of(tables, self.figure, role, "full").run
            row = runs[(runs.dataset == dataset) & (runs.run == run)].iloc[0]
            return float(row.wall_seconds / row.epochs / row.macs_full)

        return time(self.of) / time(self.against)


@dataclass(frozen=True, config=STRICT)
class AddedParameters(Quantity):
    """How many percent of a network's parameters sub-networks do not share add to it.

    Attributes:
        part: "batch-norm", of the layers that each sub-network has of its own, over a network that
            shares them; or "heads", of all heads but one, over a network of that one.
    """

    kind: Literal["added-parameters"]
    part: Literal["batch-norm", "heads"]
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """In percent."""
        independent, shared = (
            subnetwork_of(tables, self.figure, role, "full") for role in ("independent", "shared")
        )
        if self.part == "batch-norm":
            return float(100 * (independent.stored_params / shared.stored_params - 1))
        return float(100 * (shared.stored_params / shared.params - 1))


@dataclass(frozen=True, config=STRICT, kw_only=True)
class OutOfReach(Quantity):
    """A quantity that this project does not measure at any scale."""

    kind: Literal["out-of-reach"]
    figure: str = ""
    reason: str
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """Raises NotMeasurableError."""
        raise NotMeasurableError(self.reason)
