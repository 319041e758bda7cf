"""What joint training does: to the errors of sub-networks (Figure 3c), to branches (Figure 3b)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass

from anyslice.claims.quantity import NotMeasurableError, Quantity, Tables, rows_of
from anyslice.config.checked_yaml import STRICT


@dataclass(frozen=True, config=STRICT)
class LossByJointTraining(Quantity):
    """By how many points a sub-network errs more when trained jointly than alone, at most."""

    kind: Literal["loss-by-joint-training"]
    of: Literal["thin", "shallow"]
    judged_by: ClassVar[str] = "mean loss of the sub-networks, in points"

    def value(self, tables: Tables) -> float:
        """In percentage points."""
        return float(_losses(tables, self.figure, self.of).max())

    def margin(self, tables: Tables) -> float:
        """In percentage points."""
        return float(_losses(tables, self.figure, self.of).mean())


@dataclass(frozen=True, config=STRICT)
class LossRatio(Quantity):
    """How many times as much shallow sub-networks lose by joint training, at most, as thin ones."""

    kind: Literal["loss-ratio"]
    judged_by: ClassVar[str] = "mean loss of shallow less that of thin ones, in points"

    def value(self, tables: Tables) -> float:
        """A factor."""
        shallow, thin = (_losses(tables, self.figure, of).max() for of in ("shallow", "thin"))
        if thin <= 0:
            raise NotMeasurableError("no thin sub-network loses by joint training: no ratio")
        return float(shallow / thin)

    def margin(self, tables: Tables) -> float:
        """Shallow less thin."""
        shallow, thin = (_losses(tables, self.figure, of).mean() for of in ("shallow", "thin"))
        return float(shallow - thin)


@dataclass(frozen=True, config=STRICT)
class FallOfNorms(Quantity):
    """By how many percent of their mean the branches' l1-norms fall, first to last, on a line."""

    kind: Literal["fall-of-norms"]
    role: str

    def value(self, tables: Tables) -> float:
        """In percent."""
        rows = rows_of(tables, self.figure, self.role)
        branches = rows.branch.to_numpy()
        slope = np.polyfit(branches, rows.l1_norm, 1)[0]
        return float(-100 * slope * np.ptp(branches) / rows.l1_norm.mean())


def _losses(tables: Tables, figure: str, kind: Literal["thin", "shallow"]) -> pd.Series:
    """How many points each sub-network errs more when trained jointly than alone."""
    joint, alone = (
        rows_of(tables, figure, f"{kind}-{how}").set_index("subnetwork").error
        for how in ("joint", "alone")
    )
    losses: pd.Series = joint - alone
    return losses
