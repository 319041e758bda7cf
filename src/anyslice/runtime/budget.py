"""What fits a budget: sub-networks and label levels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np

from anyslice.errors import AnysliceError
from anyslice.runtime.errors import BudgetError

Below = Literal["error", "warn"]


def check_budgets(K: int, below: str, accuracy: Any, **budgets: Any) -> None:
    """Raise AnysliceError if there are several budgets, by their names, or one cannot be."""
    given = {name: value for name, value in budgets.items() if value is not None}
    if len(given) > 1:
        raise AnysliceError(f"give one budget, not {' and '.join(given)}")
    if below not in get_args(Below):
        raise AnysliceError(f"below={below}: choose from {', '.join(get_args(Below))}")
    for name, value in (given if accuracy is None else given | {"accuracy": accuracy}).items():
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


def largest_within(costs: Sequence[float], budget: float, unit: str, below: Below) -> int:
    """The largest sub-network whose cost is within the budget, or see `refuse`."""
    if fitting := [k for k, cost in enumerate(costs, start=1) if cost <= budget]:
        return fitting[-1]
    k = int(np.argmin(costs)) + 1
    places = 0 if float(costs[k - 1]).is_integer() else 3 - math.floor(math.log10(costs[k - 1]))
    enough = math.ceil(costs[k - 1] * 10**places) / 10**places  # as a budget it must do
    refuse(
        f"{budget:.10g} {unit} are too few: the least is {enough:.10g} {unit}, of sub-network {k}",
        below,
    )
    return k


def finest_level(reached: Sequence[float], accuracy: float | None, k: int, below: Below) -> int:
    """The finest level at which sub-network k is as accurate as asked, or see `refuse`.

    Args:
        reached: its accuracy at each level, fine to coarse, in 0 ... 1.
        accuracy: what is asked; None gives level 1.
        k: for the message.
        below: what to do where no level is as accurate.
    """
    for level, share in enumerate(reached, start=1):
        if accuracy is None or share >= accuracy:
            return level
    best = int(np.argmax(reached)) + 1
    where = f" (level {best})" if len(reached) > 1 else ""
    refuse(
        f"sub-network {k} is at most {max(reached):.1%} accurate{where}, not {accuracy:.1%}", below
    )
    return best


def refuse(message: str, below: Below) -> None:
    """Raise BudgetError; or warn, and the nearest is taken."""
    if below == "error":
        raise BudgetError(message)
    warnings.warn(message, stacklevel=4)
