"""Verbs that read a scale's results: figures, learning curves, the table of trainings."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.analysis.tables import runs_table
from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import FILE
from anyslice.config.scale import Scale
from anyslice.figures import draw_figure
from anyslice.figures.learning import draw, learning_table
from anyslice.figures.style import save
from anyslice.files import write_atomically


@click.command()
@click.argument("name")
@scale_option
@results_option
@click.option("--output", type=FILE, help="Write only this PDF, PNG or SVG file.")
def figure(name: str, scale: Scale, results: Path, output: Path | None) -> None:
    """Draw the figure NAME from metrics and FLOPs: <results>/NAME.pdf, .png, and .csv of seeds."""
    draw_figure(scale, name, results, output)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@scale_option
@results_option
@click.option("--output", type=FILE, help="PDF, PNG or SVG file.  [default: <results>/curves.pdf]")
def curves(runs: tuple[str, ...], scale: Scale, results: Path, output: Path | None) -> None:
    """Plot training loss and validation error of RUN... ("<dataset>/<run>") by epoch.

    Of all seeds that are finished: their mean, and their range as a band.
    """
    path = output or results / "curves.pdf"
    save(draw(learning_table(scale, runs, results), scale), path)
    click.echo(f"curves: {path}")


@click.command()
@scale_option
@results_option
def runs(scale: Scale, results: Path) -> None:
    """Write runs.csv: every training that a figure shows, with errors, MACs and wall time."""
    with write_atomically(results / "runs.csv") as path:
        runs_table(scale, scale.shown, results).to_csv(path, index=False)
