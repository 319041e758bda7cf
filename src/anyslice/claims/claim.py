"""Claims: every number and every comparison that the paper states as a result.

params/claims.yaml holds them. A claim is *direction* and *value*: IS-ResNeXt needs fewer FLOPs than
MSDNet (direction), up to 43.3 % fewer (value). A value *agrees* if the paper's lies within the
interval's half-width times the root of 2, as the paper's is a mean of five noisy trainings too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import inf
from pathlib import Path

from pydantic.dataclasses import dataclass

from anyslice.analysis.statistics import Estimate, Seeds, estimate, smallest
from anyslice.claims.errors import Pair
from anyslice.claims.measures import Measure
from anyslice.claims.quantity import Everywhere, Study
from anyslice.claims.verdict import Outcome
from anyslice.config.checked_yaml import STRICT, check, raise_problems, read_mapping

ROUNDING = 1e-9
"""Of floating-point numbers, so that 0.25 lies within half a unit of 0.2."""


@dataclass(frozen=True, config=STRICT)
class Claim:
    """One number of the paper.

    Attributes:
        says: the sentence that a reader meets: what the paper asserts; the quantity if empty.
        primary: it is one of the contrasts that the study was made for (docs/claims.md).
        place: where the paper says so.
        quantity: what the number is, exactly.
        measure: how the quantity is computed.
        value: the paper's number, the two ends of its range, or None for a direction alone.
        unit: of the quantity.
        precision: one unit of the last digit that the paper prints of the value.
        above: the direction that the claim asserts: the quantity, or what the measure judges by in
            its stead, is larger than this.
        below: or smaller than this; with neither the claim has no direction.
        bound: the value is the bound `above` or `below` itself ("more than 70 %").
    """

    place: str
    quantity: str
    measure: Measure
    value: float | tuple[float, float] | None = None
    unit: str = ""
    precision: float | None = None
    above: float | None = None
    below: float | None = None
    bound: bool = False
    says: str = ""
    primary: bool = False

    @property
    def asserted(self) -> str:
        """The asserted direction in signs, such as "> 0"."""
        signs = ((">", self.above), ("<", self.below))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in signs if bound is not None)

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which the quantity lies as asserted; infinite where nothing is."""
        above = -inf if self.above is None else self.above
        return above, inf if self.below is None else self.below

    def points(self, study: Study, seeds: Seeds) -> list[Estimate]:
        """The quantity; of what is said of several numbers each of them."""
        measure = self.measure
        if not isinstance(measure, Everywhere):
            return [measure.estimate(study, seeds)]

        def number(k: int, some: Seeds) -> float:
            return measure.values(study(some))[k]

        several = range(len(measure.values(study(seeds))))
        return [estimate(partial(number, k), seeds) for k in several]

    def estimate(self, study: Study, seeds: Seeds) -> Estimate:
        """The quantity; of one that has several values the smallest, or the largest."""
        return self.extreme(self.points(study, seeds))

    def extreme(self, points: Sequence[Estimate]) -> Estimate:
        """That of the numbers which is nearest to contradicting the claim."""
        if not isinstance(self.measure, Everywhere):
            return points[0]
        if self.below is None:
            return smallest(points)
        return -smallest([-point for point in points])

    def test(self, points: Sequence[Estimate]) -> tuple[float, Outcome]:
        """The two-sided p value of the asserted direction, and on which side the numbers lie.

        It holds if all of them lie within the bounds; one beyond, of that many, contradicts it.
        """
        within = max(point.p_within(*self.bounds) for point in points)
        beyond = len(points) * min(point.p_beyond(*self.bounds) for point in points)
        if beyond < within:
            return min(beyond, 1.0), Outcome.CONTRADICTED
        return within, Outcome.HOLDS

    def decidable(self, judged: Estimate) -> bool:
        """Whether an interval of that width fits between the bounds at all."""
        above, below = self.bounds
        return not judged.high - judged.low >= below - above

    @property
    def ends(self) -> tuple[float, ...]:
        """The value, or the two ends of its range; nothing if there is none."""
        if self.value is None:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def agrees(self, measured: Estimate) -> bool:
        """Whether the paper's value is what a repetition of its own study may well give."""
        reach = max(2**0.5 * measured.half, (self.precision or 0) / 2 + ROUNDING)
        low, high = measured.value - reach, measured.value + reach
        return low <= self.ends[-1] and self.ends[0] <= high


@dataclass(frozen=True, config=STRICT)
class _File:
    claims: dict[str, Claim]


def load_claims(path: Path = Path("params/claims.yaml")) -> dict[str, Claim]:
    """The claims of the paper by name.

    Raises:
        ParameterError: if the file says something that cannot be.
        FileNotFoundError: if there is no such file.
    """
    claims = check(_File, read_mapping(path), path).claims
    problems = (
        (f"claims.{name}", problem)
        for name, claim in claims.items()
        for problem in _contradictions(claim)
    )
    raise_problems(path, problems)
    return claims


def _contradictions(claim: Claim) -> Iterator[str]:
    """What each key allows by itself, but not together with the others."""
    if (claim.value is None) != (claim.precision is None):
        yield "`value` and `precision` go together"
    if claim.bound and claim.value not in (claim.above, claim.below):
        yield "a bound is `above` or `below`"
    if isinstance(claim.measure, Everywhere) and (claim.above is None) == (claim.below is None):
        yield (
            f"what is said of several numbers ({claim.measure.kind}) needs either `above` or "
            "`below`"
        )
    if claim.primary and not (isinstance(claim.measure, Pair) and claim.above == 0):
        yield "a primary claim is of the gap of two curves, and `above: 0`"
