"""What is written of a scale's verdicts: claims.md, the report's pages and the figures' captions.

Snakemake's report shows HTML in a frame of its own, so each page is a whole document.
"""

from __future__ import annotations

import html
import json
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import distributions
from math import isnan
from pathlib import Path

import pandas as pd
import yaml

from anyslice.claims.verdict import (
    AGREES,
    CONTRADICTED,
    DIFFERS,
    HOLDS,
    Verdict,
    number,
    read_verdicts,
)
from anyslice.config.scale import Scale
from anyslice.figures import face_of
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
STYLE = """
body {font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff}
table {border-collapse: collapse; font-size: 13px}
th, td {border-bottom: 1px solid #ddd; padding: 4px 10px; text-align: left; vertical-align: top}
th {position: sticky; top: 0; background: #f4f4f4}
.fails {background: #fbdcd9} .holds {background: #dff2df} .unknown {color: #777}
pre {font-size: 12px}
"""
CLASSES = {CONTRADICTED: "fails", DIFFERS: "fails", HOLDS: "holds", AGREES: "holds"}
"""How verdicts are coloured; all others say that nothing is known."""


def write_markdown(verdicts: list[Verdict], scale: Scale, path: Path) -> None:
    """Write claims.md: a summary, then all claims in the paper's order."""
    table = pd.DataFrame(cells(verdict) for verdict in verdicts)
    lines = [
        f"# The paper's claims at the {scale.name} scale",
        "",
        summary(verdicts, scale),
        "",
        EXPLANATION,
        "",
        table.to_markdown(index=False, disable_numparse=True),
        "",
    ]
    write_text(path, "\n".join(lines))


def write_pages(scale: Scale, results: Path) -> None:
    """Write report/claims.html, figures.html, runs.html, parameters.html, packages.html, *.rst.

    Args:
        scale: what was done.
        results: the scale's folder, with claims.csv and runs.csv.
    """
    folder = results / "report"
    verdicts = read_verdicts(results / "claims.csv")
    runs = pd.read_csv(results / "runs.csv")
    write_text(folder / "claims.html", claims_page(verdicts, scale))
    write_text(folder / "figures.html", figures_page(verdicts, scale))
    write_text(folder / "runs.html", runs_page(runs))
    write_text(folder / "parameters.html", parameters_page(scale))
    write_text(folder / "packages.html", packages_page())
    for name in scale.figures:
        write_text(folder / f"{name}.rst", caption(name, verdicts, scale))


def summary(verdicts: list[Verdict], scale: Scale) -> str:
    """One sentence on the scale, one that counts the verdicts, one that names what fails."""
    counted = Counter(verdict.verdict for verdict in verdicts).most_common()
    counts = ", ".join(f"{word}: {n}" for word, n in counted)
    against = ", ".join(v.claim for v in verdicts if v.direction == CONTRADICTED) or "none"
    differing = ", ".join(v.claim for v in verdicts if v.value == DIFFERS) or "none"
    seeds = f"{len(scale.seeds)} seed" + ("s" if len(scale.seeds) > 1 else "")
    return (
        f"Scale {scale.name}: {scale.description}, {seeds}. {len(verdicts)} claims; {counts}. "
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


def page(title: str, *parts: str) -> str:
    """A whole HTML document that loads nothing."""
    body = "\n".join((f"<h1>{html.escape(title)}</h1>", *parts))
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}"
        f"</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def paragraph(text: str) -> str:
    """Plain text as HTML."""
    return f"<p>{html.escape(text)}</p>"


def claims_page(verdicts: list[Verdict], scale: Scale) -> str:
    """Every claim of the paper beside its measured value, coloured by verdict."""
    rows = [(verdict, cells(verdict)) for verdict in verdicts]
    head = _cells("th", rows[0][1])
    body = (f"<tr{_coloured(verdict)}>{_cells('td', row.values())}</tr>" for verdict, row in rows)
    return page(
        f"The paper's claims at the {scale.name} scale",
        paragraph(summary(verdicts, scale)),
        paragraph(EXPLANATION),
        f"<table><tr>{head}</tr>{''.join(body)}</table>",
    )


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)


def _coloured(verdict: Verdict) -> str:
    return f" class='{CLASSES.get(verdict.verdict, 'unknown')}'"


def figures_page(verdicts: list[Verdict], scale: Scale) -> str:
    """Every figure with the verdicts on the claims that rest on it."""
    parts = []
    for name in scale.figures:
        face = face_of(scale, name)
        items = "".join(
            f"<li{_coloured(verdict)}>{html.escape(sentence(verdict))}</li>"
            for verdict in verdicts
            if verdict.figure == name
        )
        parts += [
            f"<h2>{html.escape(face.title)}</h2>",
            paragraph(face.notes),
            f"<ul>{items}</ul>",
        ]
    return page("Figures, and the claims that rest on them", *parts)


def runs_page(runs: pd.DataFrame) -> str:
    """Every training: errors in percent, MACs, wall time."""
    return page(
        "Trainings",
        paragraph("Errors of the first and the full sub-network on test images, in percent."),
        runs.round(2).to_html(index=False, border=0),
    )


def parameters_page(scale: Scale) -> str:
    """Everything that the scale's file says, with the recipe of each run filled in."""
    # Through JSON: YAML has no tuples.
    parameters = yaml.safe_dump(json.loads(json.dumps(asdict(scale))), sort_keys=False)
    return page(f"Parameters of {scale.path}", f"<pre>{html.escape(parameters)}</pre>")


def packages_page() -> str:
    """Python and every installed package."""
    versions = {found.metadata["Name"]: found.version for found in distributions()}
    table = pd.DataFrame(sorted(versions.items(), key=str), columns=["package", "version"])
    return page(
        "Package versions",
        paragraph(f"Python {platform.python_version()} on {platform.system()}."),
        table.to_html(index=False, border=0),
    )


def caption(name: str, verdicts: list[Verdict], scale: Scale) -> str:
    """What a figure is and what became of its claims, as reStructuredText."""
    face = face_of(scale, name)
    claimed = [f"- {sentence(verdict)}" for verdict in verdicts if verdict.figure == name]
    return "\n\n".join((face.title + ".", face.notes + ".", *claimed)) + "\n"
