"""`anyslice status`: every training of a scale in one table."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import (
    FOLDER,
    results_option,
    scale_and_results,
    scale_option,
    work_option,
)


@click.command()
@scale_option
@results_option
@work_option
@click.option("--data", type=FOLDER, default="data", help="Folder of prepared data sets.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Show it again every few seconds, until Ctrl-C.")
def status(
    scale: str, results: Path | None, work: Path, data: Path, as_json: bool, watch: bool
) -> None:
    """Show which trainings of the scale wait, run, are done, outdated or failed.

    Reads files, and asks SLURM's queue where there is one.
    """
    import json
    import time

    from anyslice.jobs.slurm import jobs_of
    from anyslice.jobs.status import as_mapping, left_over, status_of, table

    loaded, folder = scale_and_results(scale, results)
    while True:
        rows = status_of(loaded, folder, work, data, jobs_of(Path.cwd()))
        others = left_over(loaded, folder)
        text = json.dumps(as_mapping(rows, others), indent=2) if as_json else table(rows, others)
        if not watch:
            click.echo(text)
            return
        click.clear()
        click.echo(text)
        time.sleep(5)
