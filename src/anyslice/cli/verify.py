"""`anyslice verify`: what is outdated, and why."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import click

from anyslice.cli.options import scale_option


@click.command()
@scale_option
@click.option(
    "--list", "only_paths", is_flag=True, help="Print only the outdated files; the status is 0."
)
def verify(scale: str, only_paths: bool) -> None:
    """Compare every file with what it was made from, and every training with what is in force.

    It compares contents: each input that Snakemake recorded with the file on disk, and of every
    metrics.json the parameters, data and code with those of now. What was made from data that are
    not here, as in a clone, is counted. The exit status is 1 if anything is outdated. To make it
    anew: anyslice verify --list | xargs -r snakemake TARGET --forcerun
    """
    from anyslice.config.scale import load_scale
    from anyslice.pipeline.audit import (
        RECORDS,
        changed_inputs,
        missing_data,
        outdated_trainings,
        read_records,
    )

    found = [*changed_inputs(RECORDS), *outdated_trainings(load_scale(scale))]
    if only_paths:
        for path in dict.fromkeys(item.path for item in found):
            click.echo(path)
        return
    for item in found:
        click.echo(f"{item.path} {item.reason}")
    if missing := missing_data(RECORDS):
        made = set(chain.from_iterable(missing.values()))
        click.echo(
            f"{len(made)} files cannot be compared with the data they were made from, which are "
            f"not here: {', '.join(missing)}"
        )
    if found:
        click.echo(f"{len({item.path for item in found})} files are outdated")
        sys.exit(1)
    there = sum(Path(path).exists() for path, _ in read_records(RECORDS))
    click.echo(f"nothing is outdated, of {there} files that Snakemake has recorded")
