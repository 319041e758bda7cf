"""Every claim of the paper beside what was measured, and what follows (docs/claims.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from anyslice.analysis.statistics import Estimate, Seeds
from anyslice.analysis.tables import taxonomy_table
from anyslice.claims.claim import Claim
from anyslice.claims.decide import Decision, primary, secondary
from anyslice.claims.quantity import (
    Everywhere,
    NotMeasurableError,
    Quantity,
    Study,
    Tables,
    averaged,
)
from anyslice.claims.verdict import INSIDE, OUTSIDE, Outcome, Verdict, number
from anyslice.config.dataset import load_description
from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError

Given = TypeVar("Given")

NOTHING = Estimate(nan, nan, nan, nan)


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


@dataclass(frozen=True)
class _Found:
    """What a study gives of a claim.

    Attributes:
        measured: the quantity, if it can be measured.
        points: what decides on the direction: the quantity, each of several, or the mean that
            decides in its stead.
        reason: why something is not measurable.
    """

    measured: Estimate | None
    points: list[Estimate] = field(default_factory=list)
    reason: str = ""


def evaluate(claims: dict[str, Claim], scale: Scale, tables: Tables) -> list[Verdict]:
    """What became of each claim."""
    study = cache(lambda seeds: averaged(tables, seeds))
    found = {name: _find(claim, study, scale.seeds) for name, claim in claims.items()}
    decided = _decide(claims, found, scale, study)
    return [
        _verdict(name, claim, found[name], decided.get(name), scale, study)
        for name, claim in claims.items()
    ]


def _find(claim: Claim, study: Study, seeds: Seeds) -> _Found:
    points, reason = _attempt(claim.points, study, seeds)
    measured = claim.extreme(points) if points else None
    if isinstance(claim.measure, Quantity) and claim.measure.judged_by and claim.asserted:
        margin, no_margin = _attempt(claim.measure.estimate_margin, study, seeds)
        return _Found(measured, [margin] if margin else [], reason or no_margin)
    return _Found(measured, points if points and claim.asserted else [], reason)


def _decide(
    claims: dict[str, Claim], found: dict[str, _Found], scale: Scale, study: Study
) -> dict[str, Decision]:
    """Of each claim whose direction depends on a training and was measured."""
    open_claims = {
        name: claim
        for name, claim in claims.items()
        if found[name].points
        and not claim.measure.exact
        and not (claim.bound and incomparable(claim, scale))
    }
    decided = secondary(
        {name: (c, found[name].points) for name, c in open_claims.items() if not c.primary}
    )
    for figure in {claim.measure.figure for claim in open_claims.values() if claim.primary}:
        contrasts = {
            name: claim
            for name, claim in open_claims.items()
            if claim.primary and claim.measure.figure == figure
        }
        decided |= primary(contrasts, study, scale.seeds)
    return decided


def _verdict(
    name: str, claim: Claim, found: _Found, decision: Decision | None, scale: Scale, study: Study
) -> Verdict:
    measure, seeds, measured = claim.measure, scale.seeds, found.measured
    not_compared = incomparable(claim, scale)
    value = _compare(claim, measured, not_compared)
    shown = measured or NOTHING
    judged = decision.judged if decision else claim.extreme(found.points or [NOTHING])
    counted = measure.exact and bool(claim.asserted) and measured is not None
    reasons = (
        found.reason,
        not_compared if value == Outcome.NOT_COMPARED else "",
        _place_of_value(claim, shown) if value == Outcome.NOT_COMPARED else "",
        "one seed has no interval" if measured and isnan(measured.half) else "",
    )
    if decision:
        verdict = decision.verdict
    elif counted:
        verdict = Outcome.COUNTED
    else:
        verdict = value or (Outcome.INFORMATION if measured else Outcome.NOT_MEASURABLE)
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
        judged=judged.value,
        judged_low=judged.low,
        judged_high=judged.high,
        direction=decision.direction if decision else "",
        value=value,
        verdict=verdict,
        reason="; ".join(reason for reason in reasons if reason),
        says=claim.says or claim.quantity,
        test=decision.test if decision else "counted" if counted else "",
        p=decision.p if decision else nan,
        p_adjusted=decision.p_adjusted if decision else nan,
        each=_each(claim, found.points),
    )


def _each(claim: Claim, points: list[Estimate]) -> str:
    """The several numbers of which a claim says the same."""
    if not isinstance(claim.measure, Everywhere):
        return ""
    return ", ".join(number(point.value, point.low, point.high) for point in points)


def _place_of_value(claim: Claim, measured: Estimate) -> str:
    """Whether the paper's number lies in the interval, where it is shown and not tested."""
    if not measured.half > 0:
        return ""
    within = measured.low <= claim.ends[-1] and claim.ends[0] <= measured.high
    return INSIDE if within else OUTSIDE


def _judged_by(claim: Claim) -> str:
    if isinstance(claim.measure, Everywhere):
        return "the smallest of them" if claim.below is None else "the largest of them"
    return claim.measure.judged_by if claim.asserted else ""


def _attempt(
    make: Callable[[Study, Seeds], Given], study: Study, seeds: Seeds
) -> tuple[Given | None, str]:
    """What `make` gives, or None and why it gives nothing."""
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
