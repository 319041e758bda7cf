"""What fits a budget: sub-networks, label levels, the order in which answers are tried."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Literal, get_args

import numpy as np

from anyslice.errors import AnysliceError
from anyslice.predict.errors import BudgetError

Below = Literal["error", "warn"]


def check_budgets(**budgets: float | None) -> None:
    """Refuse several budgets, and one that cannot be.

    Args:
        budgets: by the names that `AnytimePredictor.predict` gives them.

    Raises:
        AnysliceError: saying which.
    """
    given = [name for name, value in budgets.items() if value is not None]
    if len(given) > 1:
        raise AnysliceError(f"give one budget, not {' and '.join(given)}")
    check_number("subnetwork", budgets["subnetwork"], whole=True)
    for name in ("macs", "milliseconds", "deadline"):
        value = budgets[name]
        check_number(name, value)
        if value is not None and not value > 0:
            raise AnysliceError(f"{name}={value}: a budget is more than 0")
    check_share("confidence", budgets["confidence"])


def check_number(name: str, value: object, *, whole: bool = False) -> None:
    """Raise AnysliceError unless it is a number, or a whole one, if it is given at all."""
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if value is not None and not fits:
        raise AnysliceError(f"{name}={value!r}: a {'whole ' * whole}number is needed")


def check_share(name: str, share: float | None) -> None:
    """Raise AnysliceError unless it is in 0 ... 1."""
    check_number(name, share)
    if share is not None and not 0 < share <= 1:
        raise AnysliceError(f"{name}={share} must be in 0 ... 1, for example 0.9")


def check_below(below: str) -> None:
    """Raise AnysliceError unless it is one of the choices."""
    if below not in get_args(Below):
        raise AnysliceError(f"below={below}: choose from {', '.join(get_args(Below))}")


def largest_within(costs: Sequence[float], budget: float, unit: str, below: Below) -> int:
    """The largest sub-network whose cost is within the budget.

    Raises:
        BudgetError: if there is none, unless the thinnest and a warning are asked for.
    """
    k = largest_fitting(costs, budget)
    if not k:
        k = int(np.argmin(costs)) + 1
        refuse(
            f"{budget:.10g} {unit} are too few: the least is {_enough(costs[k - 1])} {unit}, "
            f"of sub-network {k}",
            below,
        )
    return k


def _enough(cost: float) -> str:
    """The cost; of one that is not whole four digits, rounded up, for as a budget it must do."""
    if cost == int(cost):
        return str(int(cost))
    places = 3 - math.floor(math.log10(cost))
    return f"{math.ceil(cost * 10**places) / 10**places:.10g}"


def largest_fitting(costs: Sequence[float], budget: float) -> int:
    """The largest sub-network whose cost is within the budget; 0 if there is none."""
    return max((k for k, cost in enumerate(costs, start=1) if cost <= budget), default=0)


def finest_level(reached: Sequence[float], accuracy: float | None, k: int, below: Below) -> int:
    """The finest label level at which sub-network k is as accurate as asked.

    Args:
        reached: its accuracy at each level, fine to coarse, in 0 ... 1.
        accuracy: what is asked; nothing gives the classes themselves.
        k: for the message.
        below: what to do where no level is as accurate.

    Raises:
        BudgetError: likewise, unless the most accurate level and a warning are asked for.
    """
    if accuracy is None:
        return 1
    for level, share in enumerate(reached, start=1):
        if share >= accuracy:
            return level
    best = int(np.argmax(reached)) + 1
    refuse(
        f"sub-network {k} is at most {reached[best - 1]:.1%} accurate"
        f"{f' (level {best})' if len(reached) > 1 else ''}, not {accuracy:.1%}",
        below,
    )
    return best


def attempts(K: int, interruptible: bool) -> list[int]:
    """Sub-networks to try in turn: all, or 1, 2, 4, ... K where each begins from the images."""
    if interruptible:
        return list(range(1, K + 1))
    doubling = [1 << i for i in range(K.bit_length()) if 1 << i < K]
    return [*doubling, K]


def refuse(message: str, below: Below) -> None:
    """Raise BudgetError, or warn with its message."""
    if below == "error":
        raise BudgetError(message)
    warnings.warn(message, stacklevel=4)
