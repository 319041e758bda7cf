"""`anyslice claims` and `report`: what is said of a scale's results as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly, scale_option
from anyslice.paths import results_folder

EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
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
    folder = results or results_folder(loaded.name)
    verdicts = evaluate(load_claims(), loaded, read_tables(loaded, folder))
    write_verdicts(verdicts, folder / "claims.csv")
    write_markdown(verdicts, loaded, folder / "claims.md")
    click.echo(summary(verdicts, loaded))


@click.command()
@click.argument("pictures", nargs=-1, type=EXISTING)
@scale_option
@click.option("--claims", "verdicts", type=EXISTING, required=True, help="claims.csv.")
@click.option("--runs", type=EXISTING, required=True, help="runs.csv.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="HTML file.")
@fail_clearly
def report(
    pictures: tuple[Path, ...], scale: str, verdicts: Path, runs: Path, output: Path
) -> None:
    """Write one HTML file: verdicts, every figure with its claims, what was run.

    PICTURES are PNG files, named as the scale's figures and as what else is shown.
    """
    import pandas as pd

    from anyslice.claims.report import write_report
    from anyslice.claims.verdict import read_verdicts
    from anyslice.config.scale import load_scale

    named = {picture.stem: picture for picture in pictures}
    write_report(load_scale(scale), read_verdicts(verdicts), pd.read_csv(runs), named, output)
