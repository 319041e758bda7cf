"""The report: one HTML file that loads nothing, from the summary to every training."""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from anyslice.claims.pages import EXPLANATION, cells, opening, sentence
from anyslice.claims.verdict import AGREES, CONTRADICTED, DIFFERS, HOLDS, ORDER, Verdict
from anyslice.config.scale import Scale
from anyslice.figures import face_of
from anyslice.files import write_text

TEMPLATE = "report.html.jinja"
COLOURS = {CONTRADICTED: "fails", DIFFERS: "fails", HOLDS: "holds", AGREES: "holds"}
"""How verdicts are coloured; all others say that nothing is known."""


@dataclass(frozen=True)
class Section:
    """A figure with the verdicts on the claims that rest on it."""

    name: str
    title: str
    notes: str
    verdicts: tuple[Verdict, ...]


def write_report(
    scale: Scale,
    verdicts: Sequence[Verdict],
    runs: pd.DataFrame,
    pictures: Mapping[str, Path],
    output: Path,
) -> None:
    """Write the report.

    Args:
        scale: what was done.
        verdicts: on every claim.
        runs: every training, as `analysis.tables.runs_table` gives them.
        pictures: PNG files by name: of every figure of the scale, and of what else is shown.
        output: the HTML file.
    """
    environment = Environment(
        loader=PackageLoader("anyslice", "claims"), autoescape=True, undefined=StrictUndefined
    )
    figures = [_section(scale, name, verdicts) for name in scale.figures]
    labels = {"summary": "Summary"} | {figure.name: figure.title for figure in figures}
    labels |= {"others": "Diagrams", "claims": "Claims", "details": "Trainings"}
    text = environment.get_template(TEMPLATE).render(
        title=f"Anytime prediction by slicing networks vertically, reproduced: scale {scale.name}",
        sections=labels.items(),
        opening=opening(verdicts, scale),
        by_verdict=by_verdict(verdicts),
        leading=scale.leading,
        what_was_run=_html(what_was_run(runs)),
        explanation=EXPLANATION,
        figures=figures,
        others=[name for name in pictures if name not in scale.figures],
        pictures={n: base64.b64encode(p.read_bytes()).decode() for n, p in pictures.items()},
        verdicts=verdicts,
        runs=_html(runs.round(2)),
        path=scale.path,
        # Through JSON: YAML has no tuples.
        parameters=yaml.safe_dump(json.loads(json.dumps(asdict(scale))), sort_keys=False),
        packages=_html(_packages()),
        cells=cells,
        sentence=sentence,
        colour=lambda verdict: COLOURS.get(verdict, "unknown"),
    )
    write_text(output, text)


def by_verdict(verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """The claims of each verdict, what is known before what is not."""
    found: dict[str, list[str]] = {}
    for verdict in sorted(verdicts, key=lambda verdict: ORDER.index(verdict.verdict)):
        found.setdefault(verdict.verdict, []).append(verdict.claim)
    return found


def what_was_run(runs: pd.DataFrame) -> pd.DataFrame:
    """For each data set and machine: runs, trainings, epochs, hours."""
    grouped = runs.groupby(["dataset", "machine"], as_index=False)
    return grouped.agg(
        runs=("run", "nunique"),
        trainings=("run", "size"),
        epochs=("epochs", "max"),
        hours=("wall_seconds", lambda seconds: round(seconds.sum() / 3600, 2)),
    )


def _section(scale: Scale, name: str, verdicts: Sequence[Verdict]) -> Section:
    face = face_of(scale, name)
    return Section(name, face.title, face.notes, tuple(v for v in verdicts if v.figure == name))


def _packages() -> pd.DataFrame:
    """Python and every installed package."""
    versions = {found.metadata["Name"]: found.version for found in distributions()}
    rows = [("Python", platform.python_version()), *sorted(versions.items(), key=str)]
    return pd.DataFrame(rows, columns=["package", "version"])


def _html(table: pd.DataFrame) -> Markup:
    """A table whose cells pandas has escaped."""
    return Markup(table.to_html(index=False, border=0))
