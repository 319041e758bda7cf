"""`anyslice claims` and `report`: the claims judged, and the report."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from anyslice.claims.claim import load_claims
from anyslice.claims.judge import evaluate, read_tables
from anyslice.claims.pages import summary, write_markdown
from anyslice.claims.report import write_report
from anyslice.claims.verdict import read_verdicts, write_verdicts
from anyslice.cli.loaded import scale_option
from anyslice.cli.options import EXISTING, FILE
from anyslice.config.scale import Scale


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
