"""Every number and every comparison that the paper states as a result, beside the measured one.

params/claims.yaml holds the claims. A claim is *direction* and *value*: IS-ResNeXt needs fewer
FLOPs than MSDNet (direction), up to 43.3 % fewer (value).

A direction *holds* if the whole 95 % interval lies on the claimed side, is *contradicted* if it
lies on the other, and *undecided* in between: a mean alone decides nothing. A value *agrees* if the
paper's lies within the interval's half-width times the root of 2, as the paper's is a mean of five
noisy trainings too. Values are compared where data, networks and recipes are the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic.dataclasses import dataclass

from anyslice.analysis.statistics import Estimate, Seeds, estimate_smallest
from anyslice.analysis.tables import taxonomy_table
from anyslice.claims.measures import Measure
from anyslice.claims.quantity import (
    Everywhere,
    NotMeasurableError,
    Quantity,
    Study,
    Tables,
    averaged,
)
from anyslice.claims.verdict import Outcome, Verdict, number
from anyslice.config.checked_yaml import STRICT, check, raise_problems, read_mapping
from anyslice.config.dataset import load_description
from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError

NOTHING = Estimate(nan, nan, nan, nan)

ROUNDING = 1e-9
"""Of floating-point numbers, so that 0.25 lies within half a unit of 0.2."""


@dataclass(frozen=True, config=STRICT)
class Claim:
    """One number of the paper.

    Attributes:
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

    @property
    def asserted(self) -> str:
        """The asserted direction in signs, such as "> 0"."""
        signs = ((">", self.above), ("<", self.below))
        return " and ".join(f"{sign} {bound:g}" for sign, bound in signs if bound is not None)

    def estimate(self, study: Study, seeds: Seeds) -> Estimate:
        """The quantity; of one that has several values the smallest, or the largest."""
        measure = self.measure
        if not isinstance(measure, Everywhere):
            return measure.estimate(study, seeds)
        sign = 1 if self.below is None else -1
        smallest = estimate_smallest(
            lambda some: [sign * value for value in measure.values(study(some))], seeds
        )
        return smallest if self.below is None else -smallest

    def direction(self, judged: Estimate) -> str:
        """HOLDS, UNDECIDED or CONTRADICTED."""
        if isnan(judged.low):
            return Outcome.UNDECIDED
        above = -float("inf") if self.above is None else self.above
        below = float("inf") if self.below is None else self.below
        if above < judged.low and judged.high < below:
            return Outcome.HOLDS
        if judged.high <= above or judged.low >= below:
            return Outcome.CONTRADICTED
        return Outcome.UNDECIDED

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
        f"key 'claims.{name}': {problem}"
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


def read_tables(files: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """Tables by the names of their files; that of a taxonomy (JSON) is "taxonomy-<dataset>".

    Raises:
        AnysliceError: naming a file that is no CSV.
    """
    tables = {}
    for path in files:
        if path.suffix == ".json":
            tables[f"taxonomy-{path.stem}"] = taxonomy_table(path)
            continue
        try:
            tables[path.stem] = pd.read_csv(path)
        except ValueError as error:  # of pandas, or of text in another encoding
            raise AnysliceError(f"{path} is no table of a figure: {error}") from error
    return tables


def evaluate(claims: dict[str, Claim], scale: Scale, tables: Tables) -> list[Verdict]:
    """What became of each claim."""
    study = cache(lambda seeds: averaged(tables, seeds))
    return [_judge(name, claim, scale, study) for name, claim in claims.items()]


def _judge(name: str, claim: Claim, scale: Scale, study: Study) -> Verdict:
    measure, seeds = claim.measure, scale.seeds
    measured, not_measured = _attempt(claim.estimate, study, seeds)
    judged, not_judged = measured, not_measured
    if isinstance(measure, Quantity) and measure.judged_by and claim.asserted:
        judged, not_judged = _attempt(measure.estimate_margin, study, seeds)
    not_compared = incomparable(claim, scale)
    value = _compare(claim, measured, not_compared)
    direction = claim.direction(judged) if judged and claim.asserted else ""
    if claim.bound and not_compared:
        direction = ""
    reasons = (
        not_measured or not_judged,
        not_compared if value == Outcome.NOT_COMPARED else "",
        "one seed has no interval" if measured and isnan(measured.half) else "",
    )
    shown = measured or NOTHING
    shown_judged = judged if judged and claim.asserted else NOTHING
    return Verdict(
        claim=name,
        place=claim.place,
        figure=measure.figure,
        quantity=claim.quantity,
        unit=claim.unit,
        paper="-".join(f"{end:g}" for end in claim.ends),
        measured=shown.value,
        low=shown.low,
        high=shown.high,
        in_macs=_in_macs(claim, study, seeds),
        seeds=0 if measure.exact else len(seeds),
        by_seed="" if measure.exact else _by_seed(claim, study, seeds),
        asserted=claim.asserted,
        judged_by=_judged_by(claim),
        judged=shown_judged.value,
        judged_low=shown_judged.low,
        judged_high=shown_judged.high,
        direction=direction,
        value=value,
        verdict=direction or value or (Outcome.INFORMATION if measured else Outcome.NOT_MEASURABLE),
        reason="; ".join(reason for reason in reasons if reason),
    )


def _judged_by(claim: Claim) -> str:
    if isinstance(claim.measure, Everywhere):
        return "the smallest of them" if claim.below is None else "the largest of them"
    return claim.measure.judged_by if claim.asserted else ""


def _attempt(
    make: Callable[[Study, Seeds], Estimate], study: Study, seeds: Seeds
) -> tuple[Estimate | None, str]:
    """An estimate, or None and why there is none."""
    try:
        return make(study, seeds), ""
    except NotMeasurableError as reason:
        return None, str(reason)


def _in_macs(claim: Claim, study: Study, seeds: Seeds) -> str:
    """The quantity counted in MACs, if it is counted as the authors count."""
    measure: Any = claim.measure
    if getattr(measure, "cost", None) != "all_ops":
        return ""
    counted = replace(claim, measure=replace(measure, cost="macs"))
    found, _ = _attempt(counted.estimate, study, seeds)
    return number(found.value, found.low, found.high, claim.unit) if found else ""


def _by_seed(claim: Claim, study: Study, seeds: Seeds) -> str:
    alone = [_attempt(claim.estimate, study, (seed,))[0] for seed in seeds]
    return " ".join(f"{found.value:.6g}" if found else "-" for found in alone)


def _compare(claim: Claim, measured: Estimate | None, not_compared: str) -> str:
    """What is to be said of the paper's number."""
    if claim.value is None or measured is None:
        return ""
    if not_compared or isnan(measured.half):
        return Outcome.NOT_COMPARED
    if claim.bound:
        return ""
    return Outcome.AGREES if claim.agrees(measured) else Outcome.DIFFERS


def incomparable(claim: Claim, scale: Scale) -> str:
    """Why a claim's value cannot be compared with what the scale gives; empty if it can."""
    dataset = getattr(scale.figures.get(claim.measure.figure), "dataset", None)
    if dataset is None:
        return ""
    original = scale.datasets[dataset].stands_in_for
    if original:
        title = load_description(dataset).title.partition(",")[0]
        return f"{title} stands in for {original}: values are not compared"
    if not scale.paper_setting:
        return "networks or recipes are not the paper's: values are not compared"
    return ""
