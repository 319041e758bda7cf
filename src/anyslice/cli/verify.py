"""`anyslice verify`: what is outdated, and why."""

from __future__ import annotations

import sys
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anyslice.cli.options import scale_option

if TYPE_CHECKING:
    from anyslice.config.scale import Scale


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
def verify(scale: str, only_paths: bool, commit: str | None) -> None:
    """Compare a scale's files with what they were made from, its trainings with what is in force.

    It compares contents: each input that Snakemake recorded with the file on disk, and of every
    metrics.json the parameters, data and code with those of now. What was made from data that are
    not here, as in a clone, is counted. The exit status is 1 if anything is outdated. To make it
    anew: anyslice verify --list | xargs -r snakemake TARGET --forcerun
    """
    from anyslice.config.scale import load_scale

    if commit is not None:
        _replay(load_scale(scale), commit)
        return
    from anyslice.pipeline.audit import (
        RECORDS,
        changed_inputs,
        makes,
        missing_data,
        outdated_trainings,
        read_records,
    )

    loaded = load_scale(scale)
    of_scale = partial(makes, loaded)
    changed = (item for item in changed_inputs(RECORDS) if of_scale(item.path))
    found = [*changed, *outdated_trainings(loaded)]
    if only_paths:
        for path in dict.fromkeys(item.path for item in found):
            click.echo(path)
        return
    for item in found:
        click.echo(f"{item.path} {item.reason}")
    missing = {name: set(filter(of_scale, made)) for name, made in missing_data(RECORDS).items()}
    if made := set(chain.from_iterable(missing.values())):
        names = [name for name, files in missing.items() if files]
        click.echo(
            f"{len(made)} files cannot be compared with the data they were made from, which are "
            f"not here: {', '.join(names)}"
        )
    if found:
        click.echo(f"{len({item.path for item in found})} files are outdated")
        sys.exit(1)
    there = sum(of_scale(path) and Path(path).exists() for path, _ in read_records(RECORDS))
    click.echo(f"nothing is outdated, of {there} files that Snakemake has recorded")


def _replay(scale: Scale, commit: str) -> None:
    from anyslice.jobs.identity import EQUAL_CODE
    from anyslice.jobs.replay import replay

    found = replay(scale, commit)
    for run, difference in found.differing.items():
        click.echo(f"{run} {difference}")
    click.echo(
        f"{len(found.unchanged)} runs import the same code as at {commit}, {len(found.equal)} "
        f"train to the same bytes, {len(found.differing)} do not"
    )
    if found.equal:
        click.echo(f"{EQUAL_CODE} says so: commit it with the edit")
    if found.differing:
        sys.exit(1)
