"""What fits a budget: sub-networks and label levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from anyslice.errors import AnysliceError
from anyslice.runtime.errors import BudgetError


def check_budgets(K: int, accuracy: Any, **budgets: Any) -> None:
    """Raise AnysliceError if there are several budgets, by their names, or one cannot be."""
    given = {name: value for name, value in budgets.items() if value is not None}
    if len(given) > 1:
        raise AnysliceError(f"give one budget, not {' and '.join(given)}")
    if accuracy is not None:
        given["accuracy"] = accuracy
    for name, value in given.items():
        whole = name == "subnetwork"
        known: bool = isinstance(value, Integral if whole else Real)
        if not known or value is True or value is False:
            raise AnysliceError(f"{name}={value!r}: a {'whole ' * whole}number is needed")
        if whole and not 1 <= value <= K:
            raise AnysliceError(f"there is no sub-network {value}: k must be in 1 ... {K}")
        if name in ("confidence", "accuracy") and not 0 < value <= 1:
            raise AnysliceError(f"{name}={value} must be in 0 ... 1, for example 0.9")
        if not value > 0:
            raise AnysliceError(f"{name}={value}: a budget is more than 0")
    if {"confidence", "accuracy"} <= given.keys():
        raise AnysliceError("accuracy goes with a number of MACs or a time, not with confidence")


def largest_within(costs: Sequence[float], budget: float, unit: str) -> int:
    """The largest sub-network whose cost is within the budget; else a BudgetError."""
    if fitting := [k for k, cost in enumerate(costs, start=1) if cost <= budget]:
        return fitting[-1]
    k = int(np.argmin(costs)) + 1
    places = 0 if float(costs[k - 1]).is_integer() else 3 - math.floor(math.log10(costs[k - 1]))
    enough = math.ceil(costs[k - 1] * 10**places) / 10**places  # as a budget it must do
    raise BudgetError(
        f"{budget:.10g} {unit} are too few: the least is {enough:.10g} {unit}, of sub-network {k}"
    )


def finest_level(shares: Sequence[float], accuracy: float | None, k: int) -> int:
    """The finest level at which sub-network k is as accurate as asked; else a BudgetError."""
    for level, share in enumerate(shares, start=1):
        if accuracy is None or share >= accuracy:
            return level
    where = f" (level {np.argmax(shares) + 1})" if len(shares) > 1 else ""
    raise BudgetError(
        f"sub-network {k} is at most {max(shares):.1%} accurate{where}, not {accuracy:.1%}"
    )
