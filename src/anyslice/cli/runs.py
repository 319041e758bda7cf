"""`anyslice runs`: the table of a scale's trainings."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.analysis.tables import runs_table
from anyslice.cli.loaded import results_option, scale_option
from anyslice.config.scale import Scale
from anyslice.files import write_atomically


@click.command()
@scale_option
@results_option
def runs(scale: Scale, results: Path) -> None:
    """Write runs.csv: every training that a figure shows, with errors, MACs and wall time."""
    with write_atomically(results / "runs.csv") as path:
        runs_table(scale, scale.shown, results).to_csv(path, index=False)
