"""The report: one HTML file that loads nothing, from the summary to every training."""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from anyslice.claims.pages import EXPLANATION, by_weight, cells, in_brief, opening, sentence
from anyslice.claims.verdict import Outcome, Verdict
from anyslice.config.scale import Scale
from anyslice.figures import face_of
from anyslice.files import write_text

COLOURS = {
    **dict.fromkeys((Outcome.CONTRADICTED, Outcome.DIFFERS), "fails"),
    **dict.fromkeys((Outcome.HOLDS, Outcome.AGREES), "holds"),
}
"""How directions and values are coloured; all others say that nothing is known."""


def write_report(
    scale: Scale,
    verdicts: Sequence[Verdict],
    runs: pd.DataFrame,
    pictures: Mapping[str, Path],
    output: Path,
) -> None:
    """Write the report, an HTML file.

    `runs` is of `analysis.tables.runs_table`; `pictures` are PNG files by name, of every figure of
    the scale and of what else is shown.
    """
    environment = Environment(
        loader=PackageLoader("anyslice", "claims"), autoescape=True, undefined=StrictUndefined
    )
    faces = {name: face_of(scale, name) for name in scale.figures}
    labels = {"summary": "Summary"} | {name: face.title for name, face in faces.items()}
    labels |= {"others": "Diagrams", "claims": "Claims", "details": "Trainings"}
    text = environment.get_template("report.html.jinja").render(
        title=f"Anytime prediction by slicing networks vertically, reproduced: scale {scale.name}",
        sections=labels.items(),
        opening=opening(verdicts, scale),
        tested=by_weight(verdicts),
        in_brief=in_brief,
        leading=scale.leading,
        what_was_run=_html(what_was_run(runs)),
        explanation=EXPLANATION,
        faces=faces,
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
        colour=lambda verdict: COLOURS.get(verdict.direction or verdict.verdict, "unknown"),
    )
    write_text(output, text)


def what_was_run(runs: pd.DataFrame) -> pd.DataFrame:
    """For each data set, machine and number of epochs: runs, trainings, hours."""
    grouped = runs.groupby(["dataset", "machine", "epochs"], as_index=False)
    return grouped.agg(
        runs=("run", "nunique"),
        trainings=("run", "size"),
        hours=("wall_seconds", lambda seconds: round(seconds.sum() / 3600, 2)),
    )


def _packages() -> pd.DataFrame:
    """Python and every installed package."""
    versions = {found.metadata["Name"]: found.version for found in distributions()}
    rows = [("Python", platform.python_version()), *sorted(versions.items(), key=str)]
    return pd.DataFrame(rows, columns=["package", "version"])


def _html(table: pd.DataFrame) -> Markup:
    """A table whose cells pandas has escaped."""
    return Markup(table.to_html(index=False, border=0))
