"""`anyslice status`: every training of a scale in one table."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import FOLDER
from anyslice.config.scale import Scale
from anyslice.jobs.slurm import jobs_of
from anyslice.jobs.status import as_mapping, left_over, status_of, table


@click.command()
@scale_option
@results_option
@click.option("--work", type=FOLDER, default="work", help="Folder of checkpoints.")
@click.option("--data", type=FOLDER, default="data", help="Folder of prepared data sets.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Show it again every few seconds, until Ctrl-C.")
def status(scale: Scale, results: Path, work: Path, data: Path, as_json: bool, watch: bool) -> None:
    """Show which trainings of the scale wait, run, are done, outdated or failed.

    Reads files, and asks SLURM's queue where there is one.
    """
    while True:
        rows = status_of(scale, results, work, data, jobs_of(Path.cwd()))
        others = left_over(scale, results)
        text = json.dumps(as_mapping(rows, others), indent=2) if as_json else table(rows, others)
        if watch:
            click.clear()
        click.echo(text)
        if not watch:
            return
        time.sleep(5)
