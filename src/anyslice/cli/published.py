"""`anyslice published`: a study as data, and what is made of it without data and weights."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import FOLDER, results_option, scale_and_results, scale_option
from anyslice.errors import AnysliceError


@click.group()
def published() -> None:
    """A study's tables, pictures and trainings in published/<scale>, for git."""


@published.command()
@scale_option
@results_option
def write(scale: str, results: Path | None) -> None:
    """Publish what the scale's results have; what they lack stays as it was published."""
    from anyslice.pipeline import published

    loaded, source = scale_and_results(scale, results)
    folder = published.FOLDER / loaded.name
    published.write(loaded, source, folder)
    click.echo(f"{folder}: {len(published.read_rows(folder))} trainings")


@published.command()
@scale_option
@results_option
def restore(scale: str, results: Path | None) -> None:
    """Put published trainings back into the results, without weights, where there are none.

    `anyslice status` and Snakemake then count them as finished.
    """
    from anyslice.pipeline import published

    loaded, target = scale_and_results(scale, results)
    count = published.restore(loaded, published.FOLDER / loaded.name, target)
    click.echo(f"{count} trainings were put into {target}")


@published.command()
@scale_option
@click.option(
    "--output", type=FOLDER, help="Folder to write to.  [default: results/published/<scale>]"
)
def draw(scale: str, output: Path | None) -> None:
    """Draw every published figure, judge the claims and write the report; needs no data."""
    from anyslice.config.scale import load_scale
    from anyslice.pipeline import published

    loaded = load_scale(scale)
    output = output or Path("results/published") / loaded.name
    published.draw(loaded, published.FOLDER / loaded.name, output)
    click.echo(f"figures, claims and report are in {output}")


@published.command()
@click.option("--check", is_flag=True, help="Only say whether the tables are up to date.")
def pages(check: bool) -> None:
    """Write the tables of published studies into README.md and docs/, between their markers."""
    from anyslice.pipeline.pages import fill_pages

    different = ", ".join(map(str, fill_pages(check=check)))
    if different and check:
        raise AnysliceError(
            f"{different}: not the published tables; write them: anyslice published pages"
        )
    click.echo(f"written: {different}" if different else "the tables are up to date")
