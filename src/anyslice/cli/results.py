"""Verbs that read a scale's results: figures, learning curves, trainings, claims, the report."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from anyslice.analysis.tables import runs_table
from anyslice.claims.claim import load_claims
from anyslice.claims.judge import evaluate, read_tables
from anyslice.claims.pages import summary, write_markdown
from anyslice.claims.report import write_report
from anyslice.claims.verdict import read_verdicts, write_verdicts
from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import EXISTING, FILE
from anyslice.config.scale import Scale
from anyslice.figures import draw_figure
from anyslice.figures.learning import draw, learning_table
from anyslice.figures.style import save
from anyslice.files import write_atomically


@click.command()
@click.argument("name")
@scale_option
@results_option
@click.option("--output", type=FILE, help="Write only this PDF, PNG or SVG file.")
def figure(name: str, scale: Scale, results: Path, output: Path | None) -> None:
    """Draw the figure NAME from metrics and FLOPs: <results>/NAME.pdf, .png, .csv and .tex.

    The table is there twice: as CSV with every seed, and as LaTeX with means and intervals.
    """
    draw_figure(scale, name, results, output)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@scale_option
@results_option
@click.option("--output", type=FILE, help="PDF, PNG or SVG file.  [default: <results>/curves.pdf]")
def curves(runs: tuple[str, ...], scale: Scale, results: Path, output: Path | None) -> None:
    """Draw training loss and validation error of RUN... ("<dataset>/<run>") by epoch.

    Of all seeds that are finished: their mean, and their range as a band.
    """
    path = output or results / "curves.pdf"
    save(draw(learning_table(scale, runs, results), scale), path)
    click.echo(f"curves: {path}")


@click.command()
@scale_option
@results_option
def runs(scale: Scale, results: Path) -> None:
    """Write runs.csv: every training that a figure shows, with errors, MACs and wall time."""
    with write_atomically(results / "runs.csv") as path:
        runs_table(scale, scale.shown, results).to_csv(path, index=False)


@click.command()
@click.argument("tables", nargs=-1, required=True, type=EXISTING)
@scale_option
@click.option("--csv", type=FILE, required=True, help="Every verdict with its numbers.")
@click.option("--markdown", type=FILE, required=True, help="The same for people.")
def claims(tables: tuple[Path, ...], scale: Scale, csv: Path, markdown: Path) -> None:
    """Compare the paper's claims with what was measured.

    TABLES are results of a scale: figures (CSV, named as the figure), runs.csv and taxonomies
    (JSON, named as the data set). Claims that need others are not measurable.
    """
    verdicts = evaluate(load_claims(), scale, read_tables(tables))
    write_verdicts(verdicts, csv)
    write_markdown(verdicts, scale, markdown)
    click.echo(summary(verdicts, scale))


@click.command()
@click.argument("pictures", nargs=-1, type=EXISTING)
@scale_option
@click.option("--claims", "verdicts", type=EXISTING, required=True, help="claims.csv.")
@click.option("--runs", type=EXISTING, required=True, help="runs.csv.")
@click.option("--output", type=FILE, required=True, help="HTML file.")
def report(
    pictures: tuple[Path, ...], scale: Scale, verdicts: Path, runs: Path, output: Path
) -> None:
    """Write one HTML file: verdicts, every figure with its claims, what was run.

    PICTURES are PNG files, named as the scale's figures and as what else is shown.
    """
    named = {picture.stem: picture for picture in pictures}
    write_report(scale, read_verdicts(verdicts), pd.read_csv(runs), named, output)
