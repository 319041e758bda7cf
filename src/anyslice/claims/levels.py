"""Quantities of Figure 5, where sub-networks answer at label levels, and of taxonomies."""

from __future__ import annotations

from typing import ClassVar, Literal

import pandas as pd
from pydantic.dataclasses import dataclass

from anyslice.claims.quantity import (
    Everywhere,
    NotMeasurableError,
    Quantity,
    Tables,
    rows_of,
    table_of,
)
from anyslice.config.checked_yaml import STRICT


@dataclass(frozen=True, config=STRICT)
class WorstCase(Quantity):
    """The largest error of any sub-network: of fine labels, or with the chosen levels.

    Attributes:
        labels: "fine", or "chosen" for the level that each sub-network takes.
        accuracy: give 100 - error instead.
    """

    kind: Literal["worst-case"]
    labels: Literal["fine", "chosen"]
    accuracy: bool = False

    def value(self, tables: Tables) -> float:
        """In percent."""
        fine, chosen = _fine_and_chosen(tables, self.figure)
        error = float((chosen if self.labels == "chosen" else fine).max())
        return 100 - error if self.accuracy else error


@dataclass(frozen=True, config=STRICT)
class WorstCaseGain(Quantity):
    """By how many points choosing levels lowers the largest error of any sub-network."""

    kind: Literal["worst-case-gain"]

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        fine, chosen = _fine_and_chosen(tables, self.figure)
        return float(fine.max() - chosen.max())


@dataclass(frozen=True, config=STRICT)
class AboveTheFullNetwork(Everywhere):
    """How many points each smaller sub-network, at its level, errs more than the full one on fine.

    The full network is left out: against itself it is 0 by construction. The levels were chosen by
    validation error; here the errors are of test images.
    """

    kind: Literal["above-the-full-network"]

    def values(self, tables: Tables) -> tuple[float, ...]:
        """In percentage points."""
        fine, chosen = _fine_and_chosen(tables, self.figure)
        return tuple((chosen - fine.iloc[-1]).iloc[:-1].tolist())


@dataclass(frozen=True, config=STRICT)
class FineLabelsHarder(Everywhere):
    """How many points each sub-network errs more at each level than at the next coarser one."""

    kind: Literal["fine-labels-harder"]

    def values(self, tables: Tables) -> tuple[float, ...]:
        """In percentage points."""
        errors = _by_level(tables, self.figure)
        return tuple((-errors.diff(axis=1).iloc[:, 1:]).to_numpy().ravel().tolist())


@dataclass(frozen=True, config=STRICT)
class FullNetworkBetter(Everywhere):
    """How many points the first sub-network errs more than the full one, at each level."""

    kind: Literal["full-network-better"]

    def values(self, tables: Tables) -> tuple[float, ...]:
        """In percentage points."""
        errors = _by_level(tables, self.figure)
        return tuple((errors.iloc[0] - errors.iloc[-1]).tolist())


@dataclass(frozen=True, config=STRICT)
class LossByLevels(Quantity):
    """How many points more sub-networks err on fine labels, on average, if they learn coarse too.

    Attributes:
        figure: of the network that learned all levels.
        without: the figure of the network that learned the fine labels alone.
        role: of that network.
    """

    kind: Literal["loss-by-levels"]
    without: str
    role: str

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        fine, _ = _fine_and_chosen(tables, self.figure)
        alone = rows_of(tables, self.without, self.role).set_index("subnetwork").error
        if set(fine.index) != set(alone.index):
            raise NotMeasurableError(
                f"{self.role} has {len(alone)} sub-networks, that of {self.figure} {len(fine)}"
            )
        return float((fine - alone).mean())


@dataclass(frozen=True, config=STRICT)
class TaxonomyCount(Quantity):
    """A number that describes a taxonomy.

    Attributes:
        quantity: "non-leaf nodes", "depth", or "level <d>" for its number of labels.
    """

    kind: Literal["taxonomy"]
    quantity: str
    exact: ClassVar[bool] = True

    def value(self, tables: Tables) -> float:
        """A number."""
        table = table_of(tables, self.figure)
        found = table[table.quantity == self.quantity]
        if found.empty:
            raise NotMeasurableError(f"the taxonomy has no {self.quantity}")
        return float(found.value.iloc[0])


def _fine_and_chosen(tables: Tables, figure: str) -> tuple[pd.Series, pd.Series]:
    """The errors of sub-network 1 ... K on fine labels, and at the level that each takes."""
    rows = table_of(tables, figure).sort_values("subnetwork").set_index("subnetwork")
    return rows[rows.level == 1].error, rows[rows.chosen].error


def _by_level(tables: Tables, figure: str) -> pd.DataFrame:
    """A row for each sub-network, a column for each level."""
    return table_of(tables, figure).pivot(index="subnetwork", columns="level", values="error")
