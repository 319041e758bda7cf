"""What is written of a scale's verdicts, for people: claims.md, and sentences of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan
from pathlib import Path

import pandas as pd

from anyslice.claims.verdict import INSIDE, OUTSIDE, Outcome, Verdict, number
from anyslice.config.scale import Scale
from anyslice.files import write_text

POINTS = ", in points"

EXPLANATION = (
    "Measured: read off the curves averaged over the seeds, as the paper's numbers are, with a "
    "95 % interval over seeds (jackknife, Student's t). Primary claims are the gaps of MSDNet, "
    "I-ResNeXt and IS-ResNeXt at equal FLOPs, by a two-way model of network and seed and Holm's "
    "method within a data set: a gap is larger or smaller than 0, equal within 1.2 points (two "
    "one-sided tests), or undecided. All other directions are secondary: they hold or are "
    "contradicted if the whole interval lies on one side and the p value, adjusted after Benjamini "
    "and Hochberg over all of them, is at most 5 %. What is counted depends on no training and is "
    "no test. Where a quantity is the largest of several, which noise makes larger, a mean "
    "decides. Values are compared only where data, networks and recipes are the paper's; elsewhere "
    "they are excluded or compatible by the interval."
)


def write_markdown(verdicts: Sequence[Verdict], scale: Scale, path: Path) -> None:
    """Write claims.md: a summary, then all claims in the paper's order."""
    table = pd.DataFrame(cells(verdict) for verdict in verdicts)
    paragraphs = (
        f"# The paper's claims at the {scale.name} scale",
        summary(verdicts, scale),
        EXPLANATION,
        table.to_markdown(index=False, disable_numparse=True),
    )
    write_text(path, "\n\n".join(paragraphs) + "\n")


def opening(verdicts: Sequence[Verdict], scale: Scale) -> str:
    """What was done, in one sentence, and the number of claims."""
    seeds = f"{len(scale.seeds)} seed" + ("s" if len(scale.seeds) > 1 else "")
    return f"Scale {scale.name}: {scale.description}, {seeds}. {len(verdicts)} claims of the paper."


def summary(verdicts: Sequence[Verdict], scale: Scale) -> str:
    """The opening, a sentence that counts the verdicts, and each claim with a direction."""
    counted = Counter(verdict.verdict for verdict in verdicts).most_common()
    counts = ", ".join(f"{word}: {n}" for word, n in counted)
    lines = [f"- {in_brief(verdict)}" for verdict in by_weight(verdicts)]
    said = f"{opening(verdicts, scale)} {counts[:1].upper()}{counts[1:]}."
    return "\n".join([said, "", *lines] if lines else [said])


def by_weight(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that were tested or counted; first the abstract's claims, then the primary ones."""
    tests = ("primary", "secondary", "counted")
    return sorted(
        (verdict for verdict in verdicts if verdict.test),
        key=lambda v: (not v.place.startswith("Abstract"), tests.index(v.test)),
    )


def in_brief(verdict: Verdict) -> str:
    """A claim as a sentence, its verdict, and the number that decides."""
    unit = "points" if verdict.judged_by.endswith(POINTS) else verdict.unit
    decides = number(verdict.judged, verdict.judged_low, verdict.judged_high, unit)
    by = f" ({verdict.judged_by.removesuffix(POINTS)})" if verdict.judged_by else ""
    said = f"{verdict.says} {_outcome(verdict)}: {decides or verdict.reason}{by}."
    if not verdict.paper:
        return said
    value = "not compared" if verdict.value == Outcome.NOT_COMPARED else verdict.value
    value = "excluded" if OUTSIDE in verdict.reason else value
    value = "compatible" if INSIDE in verdict.reason else value
    return f"{said} The paper's {verdict.paper} {verdict.unit}: {value or 'not compared'}."


def _outcome(verdict: Verdict) -> str:
    if verdict.test == "counted":
        return "Counted"
    if verdict.verdict in (Outcome.HOLDS, Outcome.CONTRADICTED) and verdict.paper:
        return f"Direction {verdict.verdict}, {verdict.test}"
    if verdict.verdict.startswith((Outcome.LARGER, Outcome.SMALLER, Outcome.EQUAL)):
        words = verdict.verdict.replace("larger", "larger than 0").replace(
            "smaller", "smaller than 0"
        )
        return f"The gap is {words}, {verdict.test}"
    return f"{verdict.verdict.capitalize()}, {verdict.test}"


def cells(verdict: Verdict) -> dict[str, str]:
    """What a table for people says of a claim, by column."""
    return {
        "claim": verdict.claim,
        "place": verdict.place,
        "figure": verdict.figure,
        "quantity": verdict.quantity,
        "paper": f"{verdict.paper} {verdict.unit}".strip() if verdict.paper else "",
        "measured": number(verdict.measured, verdict.low, verdict.high, verdict.unit),
        "in MACs": verdict.in_macs,
        "direction": verdict.asserted,
        "judged by": _judged(verdict),
        "test": verdict.test,
        "p": _p(verdict),
        "value": verdict.value,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
    }


def _p(verdict: Verdict) -> str:
    return (
        "" if isnan(verdict.p_adjusted) else f"{verdict.p:.2g}, adjusted {verdict.p_adjusted:.2g}"
    )


def _judged(verdict: Verdict) -> str:
    if verdict.each:
        return f"{verdict.judged_by} ({verdict.each})"
    judged = number(verdict.judged, verdict.judged_low, verdict.judged_high)
    shown = number(verdict.measured, verdict.low, verdict.high)
    return ": ".join(filter(None, (verdict.judged_by, judged if judged != shown else "")))


def sentence(verdict: Verdict) -> str:
    """A claim and what became of it, with all its numbers, in a line."""
    shown = cells(verdict)
    stated = shown["paper"] or verdict.asserted
    parts = (
        f"{verdict.verdict.upper()}: {verdict.quantity}",
        f"paper {stated}" if stated else "",
        f"measured {shown['measured']}" if shown["measured"] else "",
        f"in MACs {verdict.in_macs}" if verdict.in_macs else "",
        shown["judged by"],
        f"{verdict.test}, p {shown['p']}" if shown["p"] else verdict.test,
        verdict.value if verdict.direction else "",
        verdict.reason,
    )
    return "; ".join(part for part in parts if part)
