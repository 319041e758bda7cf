"""`anyslice report`: a scale's results as one page."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from anyslice.claims.report import write_report
from anyslice.claims.verdict import read_verdicts
from anyslice.cli.loaded import scale_option
from anyslice.cli.options import EXISTING, FILE
from anyslice.config.scale import Scale


@click.command()
@click.argument("pictures", nargs=-1, type=EXISTING)
@scale_option
@click.option("--claims", type=EXISTING, required=True, help="claims.csv.")
@click.option("--runs", type=EXISTING, required=True, help="runs.csv.")
@click.option("--output", type=FILE, required=True, help="HTML file.")
def report(
    pictures: tuple[Path, ...], scale: Scale, claims: Path, runs: Path, output: Path
) -> None:
    """Write one HTML file: verdicts, every figure with its claims, what was run.

    PICTURES are PNG files, named as the scale's figures and as what else is shown.
    """
    named = {picture.stem: picture for picture in pictures}
    write_report(scale, read_verdicts(claims), pd.read_csv(runs), named, output)
