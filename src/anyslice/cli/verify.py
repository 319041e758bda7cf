"""`anyslice verify`: which trainings are outdated, and why."""

from __future__ import annotations

import sys

import click

from anyslice.cli.loaded import scale_option
from anyslice.config.scale import Scale
from anyslice.jobs.identity import EQUAL_CODE
from anyslice.pipeline.audit import outdated_trainings


@click.command()
@scale_option
@click.option(
    "--list", "only_paths", is_flag=True, help="Print only the outdated files; the status is 0."
)
@click.option(
    "--replay",
    "commit",
    metavar="COMMIT",
    help="Train the first steps of each run with the code of a commit and with that here, and"
    " record where all bytes agree: such an edit outdates nothing.",
)
def verify(scale: Scale, only_paths: bool, commit: str | None) -> None:
    """Compare the scale's trainings with the parameters, data and code in force.

    It compares what each metrics.json records, not file times. Snakemake trains again what has
    other parameters or data; what has other code only when you ask for it:
    anyslice verify --list | xargs -r snakemake TARGET --forcerun
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
