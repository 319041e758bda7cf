"""What became of a claim: the one record of which the table and every page is written."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from math import floor, isnan, log10
from pathlib import Path

import pandas as pd

from anyslice.files import write_atomically


class Outcome(StrEnum):
    """What can become of a claim, in the order in which reports list it: what is known is first."""

    LARGER = "larger"
    SMALLER = "smaller"
    EQUAL = "equal within 1.2 points"
    HOLDS = "holds"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    NOT_DECIDABLE = "not decidable here"
    COUNTED = "counted"
    AGREES = "value agrees"
    DIFFERS = "value differs"
    NOT_COMPARED = "value not compared"
    INFORMATION = "information"
    NOT_MEASURABLE = "not measurable at this scale"


INSIDE = "the paper's value lies within the interval"
OUTSIDE = "the paper's value lies outside the interval"
"""Of values that are shown and not tested, as reasons."""


@dataclass(frozen=True)
class Verdict:
    """One claim of the paper, what was measured, and what follows; a row of claims.csv.

    Attributes:
        claim: its name.
        place, figure, quantity, unit: what the paper says it of.
        paper: its number, or the two ends of its range; empty if it states a direction alone.
        measured, low, high: with the 95 % interval over seeds (nan of one seed).
        in_macs: the same counted in MACs, where it was counted as the authors count.
        seeds: how many.
        by_seed: measured with each seed alone; "-" where it cannot be.
        asserted: the direction, such as "> 0".
        judged_by: what decides on the direction where it is not the measured number itself.
        judged, judged_low, judged_high: that quantity.
        direction: HOLDS, CONTRADICTED, UNDECIDED or NOT_DECIDABLE; empty if none is asserted or
            measurable, or if it is counted.
        value: AGREES, DIFFERS or NOT_COMPARED; empty if the paper has none or it is not measurable.
        verdict: of a primary claim what its gap is; else the direction, or what is known instead.
        reason: why something is not measurable, compared or decided.
        says: the claim as a sentence.
        test: "primary", "secondary" or "counted"; empty if no direction was judged.
        p, p_adjusted: two-sided p value of the direction, and adjusted for the number of tests.
        each: the numbers of which the claim says the same.
    """

    claim: str
    place: str
    figure: str
    quantity: str
    unit: str
    paper: str
    measured: float
    low: float
    high: float
    in_macs: str
    seeds: int
    by_seed: str
    asserted: str
    judged_by: str
    judged: float
    judged_low: float
    judged_high: float
    direction: str
    value: str
    verdict: str
    reason: str
    says: str
    test: str
    p: float
    p_adjusted: float
    each: str


def write_verdicts(verdicts: list[Verdict], path: Path) -> None:
    """Write claims.csv."""
    with write_atomically(path) as part:
        pd.DataFrame(verdicts).to_csv(part, index=False, float_format="%.6g")


def read_verdicts(path: Path) -> list[Verdict]:
    """Read claims.csv."""
    texts = [field.name for field in fields(Verdict) if field.type == "str"]
    table = pd.read_csv(path, dtype=dict.fromkeys(texts, "str"))
    table[texts] = table[texts].fillna("")
    return [
        Verdict(**{str(key): cell for key, cell in row.items()}) for row in table.to_dict("records")
    ]


def number(value: float, low: float, high: float, unit: str = "") -> str:
    """A number with its interval, if it has one, for people; nothing for nan.

    All have the decimals of the interval's half-width to two digits; four digits if it has none.
    """
    if isnan(value):
        return ""
    half = (high - low) / 2
    if isnan(half) or half <= 1e-4 * abs(value):
        return f"{value:.4g} {unit}".strip()
    decimals = max(0, 1 - floor(log10(half)))
    shown, *ends = (f"{x:z.{decimals}f}" for x in (value, low, high))
    return f"{shown} [{', '.join(ends)}] {unit}".strip()
