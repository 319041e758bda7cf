"""`anyslice published`: a study as data, and what is made of it without data and weights."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import FOLDER
from anyslice.config.scale import Scale
from anyslice.errors import AnysliceError
from anyslice.pipeline import published as studies
from anyslice.pipeline.pages import fill_pages


@click.group()
def published() -> None:
    """A study's tables, pictures and trainings in published/<scale>, for git."""


@published.command()
@scale_option
@results_option
def write(scale: Scale, results: Path) -> None:
    """Publish what the scale's results have; what they lack stays as it was published."""
    folder = studies.FOLDER / scale.name
    studies.write(scale, results, folder)
    click.echo(f"{folder}: {len(studies.read_rows(folder))} trainings")


@published.command()
@scale_option
@results_option
def restore(scale: Scale, results: Path) -> None:
    """Put published trainings back into the results, without weights, where there are none.

    `anyslice status` and Snakemake then count them as finished.
    """
    count = studies.restore(scale, studies.FOLDER / scale.name, results)
    click.echo(f"{count} trainings were put into {results}")


@published.command()
@scale_option
@click.option("--output", type=FOLDER, help="Folder.  [default: results/published/<scale>]")
def draw(scale: Scale, output: Path | None) -> None:
    """Draw every published figure, judge the claims and write the report; needs no data."""
    output = output or Path("results/published") / scale.name
    studies.draw(scale, studies.FOLDER / scale.name, output)
    click.echo(f"figures, claims and report are in {output}")


@published.command()
@click.option("--check", is_flag=True, help="Only say whether the tables are up to date.")
def pages(check: bool) -> None:
    """Write the tables of published studies into README.md and docs/, between their markers."""
    different = ", ".join(map(str, fill_pages(check=check)))
    if different and check:
        raise AnysliceError(
            f"{different}: not the published tables; write them: anyslice published pages"
        )
    click.echo(f"written: {different}" if different else "the tables are up to date")
