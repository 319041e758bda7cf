"""`anyslice figure`: one figure of the paper and the table it draws."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import FILE, results_option, scale_and_results, scale_option


@click.command()
@click.argument("name")
@scale_option
@results_option
@click.option(
    "--output", type=FILE, help="Write the picture to this PDF, PNG or SVG file, and nothing else."
)
def figure(name: str, scale: str, results: Path | None, output: Path | None) -> None:
    """Draw the figure NAME from metrics and FLOPs: <results>/NAME.pdf, .png, and .csv of seeds."""
    from anyslice.figures import draw_figure

    loaded, folder = scale_and_results(scale, results)
    draw_figure(loaded, name, folder, output)
