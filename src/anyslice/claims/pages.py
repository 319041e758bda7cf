"""The pages of results/report.html that are not figures, and the figures' captions.

Snakemake's report shows HTML in a frame of its own, so each page is a whole document.
"""

from __future__ import annotations

import html
import json
import platform
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path

import pandas as pd
import yaml

from anyslice.claims import judge as claims
from anyslice.config.scale import Scale
from anyslice.figures import face_of
from anyslice.files import write_text

STYLE = """
body {font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff}
table {border-collapse: collapse; font-size: 13px}
th, td {border-bottom: 1px solid #ddd; padding: 4px 10px; text-align: left; vertical-align: top}
th {position: sticky; top: 0; background: #f4f4f4}
.fails {background: #fbdcd9} .holds {background: #dff2df} .unknown {color: #777}
pre {font-size: 12px}
"""
CLASSES = {"fails": "fails", "holds": "holds", claims.NOT_MEASURABLE: "unknown"}


def write_pages(scale: Scale, results: Path) -> None:
    """Write report/claims.html, figures.html, runs.html, parameters.html, packages.html, *.rst.

    Args:
        scale: what was done.
        results: the scale's folder, with claims.csv and runs.csv.
    """
    folder = results / "report"
    table = pd.read_csv(results / "claims.csv", keep_default_na=False, na_values={"measured": ""})
    runs = pd.read_csv(results / "runs.csv")
    write_text(folder / "claims.html", claims_page(table, scale))
    write_text(folder / "figures.html", figures_page(table, scale))
    write_text(folder / "runs.html", runs_page(runs))
    write_text(folder / "parameters.html", parameters_page(scale))
    write_text(folder / "packages.html", packages_page())
    for name in scale.figures:
        write_text(folder / f"{name}.rst", caption(name, table, scale))


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


def claims_page(table: pd.DataFrame, scale: Scale) -> str:
    """Every claim of the paper beside its measured value, coloured by verdict."""
    readable = claims.readable(numbers(table))
    rows = [
        f"<tr class='{CLASSES.get(verdict, '')}'>"
        + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row)
        + "</tr>"
        for row, verdict in zip(readable.to_numpy().tolist(), readable.verdict, strict=True)
    ]
    head = "".join(f"<th>{html.escape(column)}</th>" for column in readable.columns)
    return page(
        f"The paper's claims at the {scale.name} scale",
        paragraph(claims.summary(table, scale)),
        paragraph(claims.EXPLANATION),
        f"<table><tr>{head}</tr>{''.join(rows)}</table>",
    )


def figures_page(table: pd.DataFrame, scale: Scale) -> str:
    """Every figure with the verdicts on the claims that rest on it."""
    parts = []
    for name in scale.figures:
        face = face_of(scale, name)
        of_figure = table[table.figure == name]
        items = "".join(
            f"<li class='{CLASSES.get(row.verdict, '')}'>{html.escape(_sentence(row))}</li>"
            for _, row in numbers(of_figure).iterrows()
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


def caption(name: str, table: pd.DataFrame, scale: Scale) -> str:
    """What a figure is and what became of its claims, as reStructuredText."""
    face = face_of(scale, name)
    claimed = [f"- {_sentence(row)}" for _, row in numbers(table[table.figure == name]).iterrows()]
    return "\n\n".join((face.title + ".", face.notes + ".", *claimed)) + "\n"


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The claims with empty numbers as nan."""
    columns = ["measured", "low", "high"]
    return table.assign(**{column: pd.to_numeric(table[column]) for column in columns})


def _sentence(row: pd.Series) -> str:
    readable = claims.readable(row.to_frame().T).iloc[0]
    parts = (
        f"{row.verdict.upper()}: {row.quantity}",
        f"paper {readable.paper}" if row.paper else f"paper {row.direction}",
        f"measured {readable.measured}" if readable.measured else "",
        row.reason,
    )
    return "; ".join(part for part in parts if part)
