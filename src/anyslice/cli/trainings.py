"""Verbs that say how a scale's trainings stand: `anyslice status` and `verify`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import FOLDER
from anyslice.config.scale import Scale
from anyslice.jobs.identity import EQUAL_CODE
from anyslice.jobs.slurm import jobs_of
from anyslice.jobs.status import as_mapping, left_over, status_of, table
from anyslice.pipeline.audit import outdated_trainings


@click.command()
@scale_option
@results_option
@click.option("--work", type=FOLDER, default="work", help="Folder of checkpoints.")
@click.option("--data", type=FOLDER, default="data", help="Folder of prepared data sets.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(scale: Scale, results: Path, work: Path, data: Path, as_json: bool) -> None:
    """Show which trainings of the scale wait, run, are done, outdated or failed.

    Reads files, and asks SLURM's queue where there is one.
    """
    rows = status_of(scale, results, work, data, jobs_of(Path.cwd()))
    others = left_over(scale, results)
    click.echo(json.dumps(as_mapping(rows, others), indent=2) if as_json else table(rows, others))


@click.command()
@scale_option
@click.option("--list", "only_paths", is_flag=True, help="Print only files; the status is 0.")
@click.option("--replay", "commit", metavar="COMMIT", help="Compare first steps with its code.")
def verify(scale: Scale, only_paths: bool, commit: str | None) -> None:
    """Compare the scale's trainings with the parameters, data and code in force.

    It compares what each metrics.json records, not file times. Snakemake trains again what has
    other parameters or data; what has other code only when you ask for it:
    anyslice verify --list | xargs -r snakemake TARGET --forcerun

    --replay trains the first steps of each run with the code of a commit and with that here, and
    records where all bytes agree: such an edit outdates nothing.
    """
    if commit is not None:
        _replay(scale, commit)
        return
    found = list(outdated_trainings(scale))
    for item in found:
        click.echo(item.path if only_paths else f"{item.path} {item.reason}")
    if only_paths:
        return
    click.echo(f"{len(found)} trainings are outdated" if found else "nothing is outdated")
    sys.exit(bool(found))


def _replay(scale: Scale, commit: str) -> None:
    from anyslice.jobs.replay import replay  # needs PyTorch

    found = replay(scale, commit)
    for run, difference in found.differing.items():
        click.echo(f"{run} {difference}")
    click.echo(
        f"{len(found.unchanged)} runs import the same code as at {commit}, {len(found.equal)} "
        f"train to the same bytes, {len(found.differing)} do not"
    )
    if found.equal:
        click.echo(f"{EQUAL_CODE} says so: commit it with the edit")
    sys.exit(bool(found.differing))
