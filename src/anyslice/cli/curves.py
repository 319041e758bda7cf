"""`anyslice curves`: learning curves of a scale's runs."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import FILE, results_option, scale_and_results, scale_option


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@scale_option
@results_option
@click.option("--output", type=FILE, help="PDF, PNG or SVG file.  [default: <results>/curves.pdf]")
def curves(runs: tuple[str, ...], scale: str, results: Path | None, output: Path | None) -> None:
    """Draw training loss and validation error of RUN... ("<dataset>/<run>") by epoch.

    Of all seeds that are finished: their mean, and their range as a band.
    """
    from anyslice.figures.learning import draw, learning_table
    from anyslice.figures.style import save

    loaded, folder = scale_and_results(scale, results)
    path = output or folder / "curves.pdf"
    save(draw(learning_table(loaded, runs, folder), loaded), path)
    click.echo(f"curves: {path}")
