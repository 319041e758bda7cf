"""What is written of a scale's verdicts, for people: claims.md, and sentences of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan
from pathlib import Path

import pandas as pd

from anyslice.claims.verdict import Outcome, Verdict, number
from anyslice.config.scale import Scale
from anyslice.files import write_text

EXPLANATION = (
    "Measured: read off the curves averaged over the seeds, as the paper's numbers are, with a "
    "95 % interval over seeds (jackknife, Student's t). A direction holds if the whole interval "
    "lies on the claimed side, is contradicted if it lies on the other side, and undecided in "
    "between. Where a quantity is the largest of several, which noise makes larger, its direction "
    "is judged by a mean, which noise does not shift. Operations are counted as the authors count, "
    "and in MACs beside it. A value agrees if a repetition of the paper's own study may well give "
    "it; values are compared only where data, networks and recipes are the paper's."
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
    """The opening, a sentence that counts the verdicts, and those that name what fails."""
    counted = Counter(verdict.verdict for verdict in verdicts).most_common()
    counts = ", ".join(f"{word}: {n}" for word, n in counted)
    against = ", ".join(v.claim for v in verdicts if v.direction == Outcome.CONTRADICTED) or "none"
    differing = ", ".join(v.claim for v in verdicts if v.value == Outcome.DIFFERS) or "none"
    return (
        f"{opening(verdicts, scale)} {counts[:1].upper()}{counts[1:]}. "
        f"Contradicted: {against}. Values that differ: {differing}."
    )


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
        "value": verdict.value,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
    }


def _judged(verdict: Verdict) -> str:
    if not verdict.judged_by:
        return ""
    if isnan(verdict.judged) or verdict.judged == verdict.measured:
        return verdict.judged_by
    judged = number(verdict.judged, verdict.judged_low, verdict.judged_high)
    return f"{verdict.judged_by}: {judged}"


def sentence(verdict: Verdict) -> str:
    """A claim and what became of it, in a line."""
    shown = cells(verdict)
    stated = shown["paper"] or verdict.asserted
    parts = (
        f"{verdict.verdict.upper()}: {verdict.quantity}",
        f"paper {stated}" if stated else "",
        f"measured {shown['measured']}" if shown["measured"] else "",
        f"in MACs {verdict.in_macs}" if verdict.in_macs else "",
        shown["judged by"],
        verdict.value if verdict.direction else "",
        verdict.reason,
    )
    return "; ".join(part for part in parts if part)
