"""`anyslice figure`: one figure of the paper and the table it draws."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.loaded import results_option, scale_option
from anyslice.cli.options import FILE
from anyslice.config.scale import Scale
from anyslice.figures import draw_figure


@click.command()
@click.argument("name")
@scale_option
@results_option
@click.option(
    "--output", type=FILE, help="Write the picture to this PDF, PNG or SVG file, and nothing else."
)
def figure(name: str, scale: Scale, results: Path, output: Path | None) -> None:
    """Draw the figure NAME from metrics and FLOPs: <results>/NAME.pdf, .png, .csv and .tex.

    The table is there twice: as CSV with every seed, and as LaTeX with means and intervals.
    """
    draw_figure(scale, name, results, output)
