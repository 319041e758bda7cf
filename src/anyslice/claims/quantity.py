"""What a claim is about: a quantity computed from the figures' tables, averaged over seeds.

Each is a dataclass that params/claims.yaml fills in, of one of the kinds in `measures`. It speaks
of roles (column `role` of the tables), which are the same at every scale. It knows no seeds: the
paper's numbers are read off averaged curves, and so are these; how they vary over seeds is seen by
leaving out one seed after another (`analysis.statistics`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import pandas as pd
from pydantic.dataclasses import dataclass

from anyslice.analysis.statistics import Curve, Estimate, Seeds, estimate
from anyslice.config.checked_yaml import STRICT

Tables = Mapping[str, pd.DataFrame]
"""The tables of a scale's figures by name, and of its trainings as "runs"."""
Study = Callable[[Seeds], Tables]
"""The same tables, averaged over some of the seeds."""
Subnetwork = Literal["first", "full"]
"""The thinnest or shallowest sub-network, or the full network."""
Convention = Literal["all_ops", "macs"]
"""How operations are counted, see `costs.macs`. The paper's FLOPs are its authors' all_ops."""

MEASURED = ("error", "validation_error", "l1_norm", "wall_seconds", "error_first", "error_full")
"""The columns that differ from seed to seed and are averaged; chosen_epoch is left out."""


class NotMeasurableError(Exception):
    """A claim's quantity cannot be computed from these tables; the message says why."""


@dataclass(frozen=True, config=STRICT)
class OfFigure(ABC):
    """What a claim may be about.

    Attributes:
        kind: tells the quantities apart.
        figure: whose table the quantity is computed from.
        exact: it does not depend on what was trained.
    """

    kind: str
    figure: str
    exact: ClassVar[bool] = False


class Quantity(OfFigure):
    """A number of a study.

    Attributes:
        judged_by: what decides on the direction that a claim asserts, where not the number itself:
            a mean, which noise does not shift as it shifts the largest of several values.
    """

    judged_by: ClassVar[str] = ""

    @abstractmethod
    def value(self, tables: Tables) -> float:
        """The number, from tables averaged over seeds.

        Raises:
            NotMeasurableError: if they do not have it.
        """

    def margin(self, tables: Tables) -> float:
        """What `judged_by` names; raises as `value`."""
        return self.value(tables)

    def estimate(self, study: Study, seeds: Seeds) -> Estimate:
        """The number with its interval over seeds; raises as `value`."""
        if self.exact:
            value = self.value(study(seeds))
            return Estimate(value, value, value, half=0.0)
        return estimate(lambda some: self.value(study(some)), seeds)

    def estimate_margin(self, study: Study, seeds: Seeds) -> Estimate:
        """What `judged_by` names with its interval over seeds; raises as `value`."""
        return estimate(lambda some: self.margin(study(some)), seeds)


class Everywhere(OfFigure):
    """Several numbers of a study of which a claim says the same: for all k, under any FLOPs."""

    @abstractmethod
    def values(self, tables: Tables) -> tuple[float, ...]:
        """The numbers, one or more; raises as `Quantity.value`."""


def averaged(tables: Tables, seeds: Seeds) -> dict[str, pd.DataFrame]:
    """The tables with a row for each that they have of a seed: its mean over some of the seeds."""
    return {name: _averaged(table, seeds) for name, table in tables.items()}


def _averaged(table: pd.DataFrame, seeds: Seeds) -> pd.DataFrame:
    measured = [column for column in MEASURED if column in table]
    if not measured:
        return table
    keys = [c for c in table.columns if c not in (*measured, "seed", "chosen_epoch")]
    some = table[table.seed.isin(seeds)]
    return some.groupby(keys, sort=False, dropna=False)[measured].mean().reset_index()


def table_of(tables: Tables, figure: str) -> pd.DataFrame:
    """The table of a figure."""
    if figure not in tables:
        raise NotMeasurableError(f"the scale has no {figure}")
    return tables[figure]


def rows_of(tables: Tables, figure: str, role: str) -> pd.DataFrame:
    """The rows of a role, or of a family's networks of fixed budget."""
    table = table_of(tables, figure)
    rows = table[table.role == role]
    if rows.empty and "K" in table:
        rows = table[(table.family == role) & (table.K == 1)]
    if rows.empty:
        raise NotMeasurableError(f"{figure} has no {role}")
    return rows


def subnetwork_of(tables: Tables, figure: str, role: str, subnetwork: Subnetwork) -> pd.Series:
    """The row of the first or the full sub-network of a role."""
    rows = rows_of(tables, figure, role).sort_values("subnetwork")
    return rows.iloc[0 if subnetwork == "first" else -1]


def curve_of(tables: Tables, figure: str, role: str, cost: Convention) -> Curve:
    """The curve of a role, or through a family's networks of fixed budget."""
    rows = rows_of(tables, figure, role)
    return Curve.of(rows[cost].tolist(), rows.error.tolist())
