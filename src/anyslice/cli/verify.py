"""`anyslice verify`: what is outdated, and why."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from anyslice.cli.options import scale_option


@click.command()
@scale_option
@click.option("--list", "only_paths", is_flag=True, help="Print only the outdated files.")
def verify(scale: str, only_paths: bool) -> None:
    """Compare every file with what it was made from, and every training with what is in force.

    It compares contents: each input that Snakemake recorded with the file on disk, and of every
    metrics.json the parameters, data and code with those of now. The exit status is 1 if anything
    is outdated. To make it anew: anyslice verify --list | xargs -r snakemake TARGET --forcerun
    """
    from anyslice.config.scale import load_scale
    from anyslice.pipeline.audit import RECORDS, changed_inputs, outdated_trainings, read_records

    found = [*changed_inputs(RECORDS), *outdated_trainings(load_scale(scale))]
    if only_paths:
        for path in dict.fromkeys(item.path for item in found):
            click.echo(path)
        return
    for item in found:
        click.echo(f"{item.path} {item.reason}")
    if found:
        click.echo(f"{len({item.path for item in found})} files are outdated")
        sys.exit(1)
    there = sum(Path(path).exists() for path, _ in read_records(RECORDS))
    click.echo(f"nothing is outdated, of {there} files that Snakemake has recorded")
