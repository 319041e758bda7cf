"""`anyslice latency`: how long sub-networks take here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import pandas as pd

from anyslice.cli.options import COUNT, EXISTING, FILE, prediction_options, trust_option
from anyslice.costs import latency as costs
from anyslice.costs.machine import this_machine
from anyslice.figures.latency import draw
from anyslice.files import write_json
from anyslice.runtime import AnytimePredictor


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL]...")
@click.option("--batch", "batches", type=COUNT, multiple=True, default=(1, 64), help="Images.")
@click.option("--measured", type=EXISTING, help="What --output wrote before: measure nothing.")
@click.option("--figure", type=FILE, help="Also plot error against time, as PDF or PNG.")
@click.option("--output", type=FILE, help="Also write times and machine to this JSON file.")
@trust_option
@prediction_options
def latency(
    models: tuple[Path, ...],
    batches: tuple[int, ...],
    measured: Path | None,
    figure: Path | None,
    output: Path | None,
    trust: bool,
    **execution: Any,
) -> None:
    """Time every sub-network of the exported folders MODEL, in turns.

    Each is run as by `anyslice predict`, with each --batch of images. Times are medians, with
    quartiles.
    """
    if bool(models) == bool(measured):
        raise click.UsageError("give folders of exported networks, or --measured")
    if measured:
        found = costs.read_comparison(measured, trust=trust)
    else:
        predictors = [AnytimePredictor(folder, **execution) for folder in models]
        rows = [
            row
            for predictor in predictors
            for batch in batches
            for row in costs.time_subnetworks(predictor, batch)
        ]
        found = costs.Comparison(this_machine(execution["threads"]), tuple(rows))
    table = pd.DataFrame(found.rows)
    if output:
        write_json(output, asdict(found))
    if figure:
        draw(table, found.machine, figure)
    click.echo(found.machine)
    click.echo(table.to_string(index=False, float_format="{:.3f}".format))
