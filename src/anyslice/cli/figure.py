"""`anyslice figure`: one figure of the paper and the table it draws."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly, scale_option


@click.command()
@click.argument("name")
@scale_option
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="The scale's results, with runs/ and flops/.  [default: results/<scale>]",
)
@fail_clearly
def figure(name: str, scale: str, results: Path | None) -> None:
    """Draw the figure NAME from metrics and FLOPs: <results>/NAME.csv, .pdf and .png."""
    from anyslice.config.scale import load_scale
    from anyslice.figures import draw_figure

    loaded = load_scale(scale)
    draw_figure(loaded, name, results or Path("results") / loaded.name)
