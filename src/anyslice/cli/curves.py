"""`anyslice curves`: learning curves of a scale's runs."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import FILE
from anyslice.config.scale import Scale
from anyslice.figures.learning import draw, learning_table
from anyslice.figures.style import save


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@scale_option
@results_option
@click.option("--output", type=FILE, help="PDF, PNG or SVG file.  [default: <results>/curves.pdf]")
def curves(runs: tuple[str, ...], scale: Scale, results: Path, output: Path | None) -> None:
    """Draw training loss and validation error of RUN... ("<dataset>/<run>") by epoch.

    Of all seeds that are finished: their mean, and their range as a band.
    """
    path = output or results / "curves.pdf"
    save(draw(learning_table(scale, runs, results), scale), path)
    click.echo(f"curves: {path}")
