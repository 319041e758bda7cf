"""`anyslice claims` and `pages`: what is said of a scale's results as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly, scale_option

results_option = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="The scale's results.  [default: results/<scale>]",
)


@click.command()
@scale_option
@results_option
@fail_clearly
def claims(scale: str, results: Path | None) -> None:
    """Compare the paper's claims with the figures' tables: claims.csv and claims.md."""
    from anyslice.claims.judge import evaluate, load_claims, read_tables
    from anyslice.claims.pages import summary, write_markdown
    from anyslice.claims.verdict import write_verdicts
    from anyslice.config.scale import load_scale

    loaded = load_scale(scale)
    folder = results or Path("results") / loaded.name
    verdicts = evaluate(load_claims(), loaded, read_tables(loaded, folder))
    write_verdicts(verdicts, folder / "claims.csv")
    write_markdown(verdicts, loaded, folder / "claims.md")
    click.echo(summary(verdicts, loaded))


@click.command()
@scale_option
@results_option
@fail_clearly
def pages(scale: str, results: Path | None) -> None:
    """Write the report's pages and captions from claims.csv and runs.csv."""
    from anyslice.claims.pages import write_pages
    from anyslice.config.scale import load_scale

    loaded = load_scale(scale)
    write_pages(loaded, results or Path("results") / loaded.name)
