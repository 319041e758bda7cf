"""`anyslice claims`: the paper's claims beside what was measured."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.claims.claim import load_claims
from anyslice.claims.judge import evaluate, read_tables
from anyslice.claims.pages import summary, write_markdown
from anyslice.claims.verdict import write_verdicts
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
