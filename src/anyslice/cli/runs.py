"""`anyslice runs`: the table of a scale's trainings."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import results_option, scale_and_results, scale_option


@click.command()
@scale_option
@results_option
def runs(scale: str, results: Path | None) -> None:
    """Write runs.csv: every training that a figure shows, with errors, MACs and wall time."""
    from anyslice.analysis.tables import runs_table
    from anyslice.files import write_atomically

    loaded, folder = scale_and_results(scale, results)
    with write_atomically(folder / "runs.csv") as path:
        runs_table(loaded, loaded.shown, folder).to_csv(path, index=False)
