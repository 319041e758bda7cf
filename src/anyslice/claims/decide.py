"""What the intervals of all claims together allow to be said of their directions.

Primary are the contrasts that the study was made for: three anytime networks of a figure, judged by
a two-way model and Holm's method. All other directions are secondary, by Benjamini and Hochberg.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np
from scipy import stats

from anyslice.analysis.statistics import Estimate, Seeds, holm, mean_errors, two_way
from anyslice.claims.claim import Claim
from anyslice.claims.errors import Pair
from anyslice.claims.quantity import Study, curve_of
from anyslice.claims.verdict import Outcome

LEVEL = 0.05
"""Of every test, after adjustment for their number."""

NO_LOSS = 1.2
"""Percentage points: the loss that the paper calls none (Section 4.1)."""


@dataclass(frozen=True)
class Decision:
    """What is decided of a claim's direction.

    Attributes:
        test: "primary" or "secondary".
        judged: the number that decides.
        p, p_adjusted: two-sided, alone and adjusted for the number of tests; nan of one seed.
        direction: HOLDS, CONTRADICTED, UNDECIDED or NOT_DECIDABLE.
        verdict: the same; of a primary claim what its gap is.
    """

    test: str
    judged: Estimate
    p: float
    p_adjusted: float
    direction: Outcome
    verdict: str


def secondary(claims: Mapping[str, tuple[Claim, list[Estimate]]]) -> dict[str, Decision]:
    """By the false discovery rate over all of them.

    Args:
        claims: with the numbers that decide on each.
    """
    tests = {name: claim.test(points) for name, (claim, points) in claims.items()}
    known = [name for name, (p, _) in tests.items() if not isnan(p)]
    p = [tests[name][0] for name in known]
    adjusted = dict(zip(known, stats.false_discovery_control(p), strict=True)) if p else {}
    decided = {}
    for name, (claim, points) in claims.items():
        (alone, side), judged = tests[name], claim.extreme(points)
        rejected = float(adjusted.get(name, np.nan))
        direction = side if rejected <= LEVEL else _open(claim, judged)
        decided[name] = Decision("secondary", judged, alone, rejected, direction, direction)
    return decided


def primary(claims: Mapping[str, Claim], study: Study, seeds: Seeds) -> dict[str, Decision]:
    """Of the contrasts of one figure's anytime networks."""
    measures = {name: c.measure for name, c in claims.items() if isinstance(c.measure, Pair)}
    roles = dict.fromkeys(role for m in measures.values() for role in (m.of, m.against))

    def by_seed(measure: Pair, roles: Iterable[str]) -> np.ndarray:
        """Mean errors over the costs that the networks of those roles share."""
        curves = (
            [curve_of(study((seed,)), measure.figure, role, measure.cost) for role in roles]
            for seed in seeds
        )
        return np.transpose([mean_errors(found) for found in curves])

    def gap(measure: Pair) -> Estimate:
        value = measure.mean_gap(study(seeds))
        try:
            return two_way(value, by_seed(measure, roles))
        except ValueError:  # each two of them share costs, all together share none
            return two_way(value, by_seed(measure, (measure.of, measure.against)))

    gaps = {name: gap(measure) for name, measure in measures.items()}
    p = [min(gap.p_within(0, inf), gap.p_within(-inf, 0)) for gap in gaps.values()]
    return {
        name: _contrast(claims[name], gap, alone, adjusted)
        for (name, gap), alone, adjusted in zip(gaps.items(), p, holm(p), strict=True)
    }


def _contrast(claim: Claim, gap: Estimate, p: float, p_adjusted: float) -> Decision:
    found = gap_is(gap, p_adjusted)
    direction = _of_contrast(claim, gap, found)
    verdict = ", ".join(found) or direction
    return Decision("primary", gap, p, p_adjusted, direction, verdict)


def gap_is(gap: Estimate, p_adjusted: float) -> list[Outcome]:
    """LARGER or SMALLER than 0, EQUAL within 1.2 points, both, or nothing."""
    found = []
    if p_adjusted <= LEVEL:
        found.append(Outcome.LARGER if gap.value > 0 else Outcome.SMALLER)
    if gap.p_within(-NO_LOSS, NO_LOSS) / 2 <= LEVEL:  # two one-sided tests
        found.append(Outcome.EQUAL)
    return found


def _of_contrast(claim: Claim, gap: Estimate, found: Sequence[Outcome]) -> Outcome:
    """What the gap says of the paper: of a lead (> 0), or of a small one (> 0 and < 1.2)."""
    if claim.below is None:
        if Outcome.LARGER in found:
            # A significant lead that is none by the paper's own measure speaks both ways.
            return Outcome.UNDECIDED if Outcome.EQUAL in found else Outcome.HOLDS
        return Outcome.CONTRADICTED if found else Outcome.UNDECIDED
    if Outcome.SMALLER in found or (Outcome.LARGER in found and gap.low > claim.below):
        return Outcome.CONTRADICTED
    return Outcome.HOLDS if len(found) == 2 else _open(claim, gap)  # larger and equal


def _open(claim: Claim, judged: Estimate) -> Outcome:
    return Outcome.UNDECIDED if claim.decidable(judged) else Outcome.NOT_DECIDABLE
