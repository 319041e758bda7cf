"""What calls take on this machine now, learned from the calls themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence

MARGIN = 1.15
"""A sub-network is begun if it usually takes this much less than what is left."""
_FAR = 0.15
_STEP = 0.3


class Times:
    """Milliseconds of calls by number of images and sub-network: a running median of each.

    A call corrects its own, and all others by what it says of the machine's speed: a sub-network
    that was slow while the machine was busy is otherwise not used again, and stays slow. What is
    far off counts as being a little off, as in a median, so that one long call does not matter.

    Args:
        macs: of sub-network 1 ... K, by which what is not known is estimated.
    """

    def __init__(self, macs: Sequence[int]) -> None:
        self._macs = macs
        self._known: dict[int, dict[int, float]] = {}
        self._pace = 1.0

    def measured(self, images: int, k: int) -> float | None:
        """What was noted for exactly that."""
        known = self._known.get(images, {}).get(k)
        return None if known is None else known * self._pace

    def expected(self, images: int, k: int) -> float | None:
        """What was noted; else for more images; else by MACs, which overstate it; else None."""
        if (found := self.measured(images, k)) is not None:
            return found
        more = [of[k] for n, of in list(self._known.items()) if n > images and k in of]
        if more:
            return min(more) * self._pace
        thinner = [j for j in self._known.get(images, {}) if j < k]
        if not thinner:
            return None
        j = max(thinner)
        return self._known[images][j] * self._pace * self._macs[k - 1] / self._macs[j - 1]

    def note(self, images: int, k: int, milliseconds: float) -> None:
        """What a call took."""
        of = self._known.setdefault(images, {})
        if k not in of:
            self.set(images, k, milliseconds)
            return
        off = math.log(max(milliseconds, 1e-6) / (of[k] * self._pace))
        factor = math.exp(_STEP * max(-_FAR, min(_FAR, off)))
        of[k] *= factor
        self._pace *= factor

    def set(self, images: int, k: int, milliseconds: float) -> None:
        """What was measured in turns."""
        self._known.setdefault(images, {})[k] = max(milliseconds, 1e-6) / self._pace


class Ways:
    """Which of several ways to the same answers costs least: each is tried, then the least used.

    Attributes:
        mean: milliseconds of a call by each.
        settled: whether all were tried now, and the least was not spoken of yet.
    """

    TRIALS = 8

    def __init__(self, names: Sequence[str]) -> None:
        self._calls = dict.fromkeys(names, 0)
        self.mean = dict.fromkeys(names, 0.0)
        self.settled = False

    def least(self) -> str:
        """The one to use now."""
        untried = [name for name, calls in self._calls.items() if calls < self.TRIALS]
        return untried[0] if untried else min(self.mean, key=self.mean.__getitem__)

    def note(self, name: str, milliseconds: float) -> None:
        """What a call took: into the mean of some 30, a very long one as three of them."""
        self._calls[name] = calls = min(self._calls[name] + 1, 30)
        self.settled |= calls == self.TRIALS == min(self._calls.values())
        mean = self.mean[name] or milliseconds
        self.mean[name] = mean + (min(milliseconds, 3 * mean) - mean) / calls
