"""What the paper's claims are about: quantities computed from the figures' tables, seed by seed.

Each measure is a dataclass that params/claims.yaml fills in. `of_seed` computes it from the rows of
one seed, so networks are always compared with the same seed. A measure speaks of roles (column
`role` of the tables), which are the same at every scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import pandas as pd
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from anyslice.analysis.statistics import Curve, largest_gap, largest_saving

_STRICT = ConfigDict(extra="forbid")
Tables = Mapping[str, pd.DataFrame]
"""The tables of a scale's figures by name, and of its trainings as "runs"."""
Position = Literal["first", "full"]
"""The thinnest or shallowest sub-network, or the full network."""

SAME_COST = 1.25
"""Networks whose MACs differ by no more than this factor count as of the same FLOPs."""


class NotMeasurableError(Exception):
    """A claim's quantity cannot be computed from these tables; the message says why."""


@dataclass(frozen=True, config=_STRICT)
class SubnetworkError:
    """The error of one sub-network, in percent."""

    kind: Literal["error"]
    figure: str
    role: str
    subnetwork: Position

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percent."""
        return float(_subnetwork(tables, self.figure, self.role, self.subnetwork, seed).error)


@dataclass(frozen=True, config=_STRICT)
class ErrorReduction:
    """By how many percent the error of one sub-network is smaller than that of another."""

    kind: Literal["error-reduction"]
    figure: str
    of: str
    against: str
    subnetwork: Position

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percent; negative if the error is larger."""
        ours = _subnetwork(tables, self.figure, self.of, self.subnetwork, seed).error
        theirs = _subnetwork(tables, self.figure, self.against, self.subnetwork, seed).error
        return float(100 * (1 - ours / theirs))


@dataclass(frozen=True, config=_STRICT)
class ErrorReductionAtSameCost:
    """By how many percent a full network errs less than the full network of a family of its size.

    The family's run with the nearest MACs is taken.
    """

    kind: Literal["error-reduction-at-same-cost"]
    figure: str
    of: str
    family: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percent; negative if the error is larger."""
        ours = _subnetwork(tables, self.figure, self.of, "full", seed)
        rows = _of_seed(tables, self.figure, seed)
        family = rows[(rows.family == self.family) & (rows.subnetwork == rows.K)]
        if family.empty:
            raise NotMeasurableError(f"{self.figure} has no {self.family}")
        factors = [max(macs / ours.macs, ours.macs / macs) for macs in family.macs]
        if min(factors) > SAME_COST:
            raise NotMeasurableError(
                f"no full {self.family} has the MACs of the full {self.of}; the nearest differs by "
                f"a factor of {min(factors):.2f}"
            )
        theirs = family.iloc[factors.index(min(factors))]
        return float(100 * (1 - ours.error / theirs.error))


@dataclass(frozen=True, config=_STRICT)
class MacsSaving:
    """How many percent fewer MACs a network needs than another for the same error, at most."""

    kind: Literal["macs-saving"]
    figure: str
    of: str
    against: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percent; negative if it always needs more."""
        ours, theirs = (_curve(tables, self.figure, r, seed) for r in (self.of, self.against))
        saving = largest_saving(ours, theirs)
        if saving is None:
            raise NotMeasurableError(
                f"the curves of {self.of} and {self.against} share no error (seed {seed}: "
                f"{min(ours.errors):.1f}-{ours.errors[0]:.1f} % and "
                f"{min(theirs.errors):.1f}-{theirs.errors[0]:.1f} %)"
            )
        return saving


@dataclass(frozen=True, config=_STRICT)
class MacsReduction:
    """By how many percent one sub-network's MACs are fewer than another's."""

    kind: Literal["macs-reduction"]
    figure: str
    of: str
    against: str
    subnetwork: Position

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percent; negative if it has more."""
        ours = _subnetwork(tables, self.figure, self.of, self.subnetwork, seed).macs
        theirs = _subnetwork(tables, self.figure, self.against, self.subnetwork, seed).macs
        return float(100 * (1 - ours / theirs))


@dataclass(frozen=True, config=_STRICT)
class ErrorGap:
    """By how many points a network errs more than another with the same MACs, at most."""

    kind: Literal["error-gap"]
    figure: str
    of: str
    against: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percentage points; negative if it always errs less."""
        worse, better = (_curve(tables, self.figure, r, seed) for r in (self.of, self.against))
        gap = largest_gap(better, worse)
        if gap is None:
            raise NotMeasurableError(f"{self.of} and {self.against} have no MACs in common")
        return gap


@dataclass(frozen=True, config=_STRICT)
class LossByJointTraining:
    """By how many points a sub-network errs more when trained jointly than alone, at most."""

    kind: Literal["loss-by-joint-training"]
    figure: str
    of: Literal["thin", "shallow"]

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percentage points."""
        return _joint_loss(tables, self.figure, self.of, seed)


@dataclass(frozen=True, config=_STRICT)
class LossRatio:
    """How many times as much shallow sub-networks lose by joint training as thin ones."""

    kind: Literal["loss-ratio"]
    figure: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """A factor."""
        thin = _joint_loss(tables, self.figure, "thin", seed)
        if thin <= 0:
            raise NotMeasurableError(
                f"with seed {seed} no thin sub-network loses by joint training: no ratio"
            )
        return _joint_loss(tables, self.figure, "shallow", seed) / thin


@dataclass(frozen=True, config=_STRICT)
class Trend:
    """Rank correlation of the branches' l1-norms with their index."""

    kind: Literal["trend"]
    figure: str
    role: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """Spearman's: -1 if the norm falls from each branch to the next."""
        rows = _role(tables, self.figure, self.role, seed)
        return float(rows.branch.corr(rows.l1_norm, method="spearman"))


@dataclass(frozen=True, config=_STRICT)
class Operations:
    """What a network costs.

    Attributes:
        convention: column of the table, see `costs.macs`.
        unit: what is given as 1.
        nearest: take the sub-network nearest to this many operations; without it the full network.
    """

    kind: Literal["operations"]
    figure: str
    role: str
    convention: Literal["macs", "all_ops"]
    unit: float
    nearest: float | None = None

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In `unit` operations."""
        costs = _role(tables, self.figure, self.role, seed)[self.convention].tolist()
        if self.nearest is None:
            return float(max(costs) / self.unit)
        nearest = self.nearest
        return float(min(costs, key=lambda cost: abs(cost - nearest)) / self.unit)


@dataclass(frozen=True, config=_STRICT)
class MacsAtError:
    """MACs with which a network reaches an error."""

    kind: Literal["macs-at-error"]
    figure: str
    role: str
    error: float
    unit: float

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In `unit` MACs."""
        curve = _curve(tables, self.figure, self.role, seed)
        macs = curve.macs_at(self.error)
        if macs is None:
            raise NotMeasurableError(
                f"{self.error} % is outside the curve of {self.role} "
                f"({min(curve.errors):.1f}-{curve.errors[0]:.1f} %)"
            )
        return macs / self.unit


@dataclass(frozen=True, config=_STRICT)
class WorstCase:
    """The largest error of any sub-network: of fine labels, or with the chosen levels.

    Attributes:
        labels: "fine", or "chosen" for the level that each sub-network takes.
        accuracy: give 100 - error instead.
    """

    kind: Literal["worst-case"]
    figure: str
    labels: Literal["fine", "chosen"]
    accuracy: bool = False

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percent."""
        rows = _of_seed(tables, self.figure, seed)
        error = float(rows[rows.chosen if self.labels == "chosen" else rows.level == 1].error.max())
        return 100 - error if self.accuracy else error


@dataclass(frozen=True, config=_STRICT)
class WorstCaseGain:
    """By how many points choosing levels lowers the largest error of any sub-network."""

    kind: Literal["worst-case-gain"]
    figure: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """In percentage points."""
        rows = _of_seed(tables, self.figure, seed)
        return float(rows[rows.level == 1].error.max() - rows[rows.chosen].error.max())


@dataclass(frozen=True, config=_STRICT)
class TrainingTime:
    """Training time of a run over that of another, per epoch and MAC of the full network."""

    kind: Literal["training-time"]
    figure: str
    of: str
    against: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """A factor."""
        dataset = _table(tables, self.figure).dataset.iloc[0]
        runs = _table(tables, "runs")

        def cost(role: str) -> float:
            run = _subnetwork(tables, self.figure, role, "full", seed).run
            of_run = runs[(runs.dataset == dataset) & (runs.run == run) & (runs.seed == seed)]
            row = of_run.iloc[0]
            return float(row.wall_seconds / row.epochs / row.macs_full)

        return cost(self.of) / cost(self.against)


@dataclass(frozen=True, config=_STRICT)
class TaxonomyCount:
    """A number that describes a taxonomy.

    Attributes:
        quantity: "non-leaf nodes", "depth", or "level <d>" for its number of labels.
    """

    kind: Literal["taxonomy"]
    figure: str
    quantity: str

    def of_seed(self, tables: Tables, seed: int) -> float:
        """A number; it has no seed."""
        table = _table(tables, self.figure)
        found = table[table.quantity == self.quantity]
        if found.empty:
            raise NotMeasurableError(f"the taxonomy has no {self.quantity}")
        return float(found.value.iloc[0])


@dataclass(frozen=True, config=_STRICT)
class OutOfReach:
    """A quantity that this project does not measure at any scale."""

    kind: Literal["out-of-reach"]
    reason: str
    figure: str | None = None

    def of_seed(self, tables: Tables, seed: int) -> float:
        """Raises NotMeasurableError."""
        raise NotMeasurableError(self.reason)


Measure = Annotated[
    SubnetworkError
    | ErrorReduction
    | ErrorReductionAtSameCost
    | MacsSaving
    | MacsReduction
    | ErrorGap
    | LossByJointTraining
    | LossRatio
    | Trend
    | Operations
    | MacsAtError
    | WorstCase
    | WorstCaseGain
    | TrainingTime
    | TaxonomyCount
    | OutOfReach,
    Field(discriminator="kind"),
]


def _table(tables: Tables, figure: str) -> pd.DataFrame:
    if figure not in tables:
        raise NotMeasurableError(f"the scale has no {figure}")
    return tables[figure]


def _of_seed(tables: Tables, figure: str, seed: int) -> pd.DataFrame:
    table = _table(tables, figure)
    return table[table.seed == seed]


def _role(tables: Tables, figure: str, role: str, seed: int) -> pd.DataFrame:
    rows = _of_seed(tables, figure, seed)
    rows = rows[rows.role == role]
    if rows.empty:
        raise NotMeasurableError(f"{figure} has no {role}")
    return rows


def _subnetwork(
    tables: Tables, figure: str, role: str, subnetwork: Position, seed: int
) -> pd.Series:
    rows = _role(tables, figure, role, seed).sort_values("subnetwork")
    return rows.iloc[0 if subnetwork == "first" else -1]


def _curve(tables: Tables, figure: str, role: str, seed: int) -> Curve:
    rows = _role(tables, figure, role, seed)
    return Curve.of(rows.macs.tolist(), rows.error.tolist())


def _joint_loss(tables: Tables, figure: str, of: str, seed: int) -> float:
    joint, alone = (
        _role(tables, figure, f"{of}-{how}", seed).set_index("subnetwork").error
        for how in ("joint", "alone")
    )
    return float((joint - alone).max())
