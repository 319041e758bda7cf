"""`anyslice latency`: how long sub-networks take here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyslice.cli.options import COUNT, EXISTING, FILE, prediction_options

if TYPE_CHECKING:
    from anyslice.costs.latency import TimedWay


@click.command()
@click.argument("models", nargs=-1, type=click.Path(path_type=Path), metavar="[MODEL]...")
@click.option(
    "--batch",
    "batches",
    type=COUNT,
    multiple=True,
    default=(1, 64),
    help="Images of a call; can be repeated.",
)
@click.option(
    "--measured",
    type=EXISTING,
    help="Measure nothing: what --output wrote before, to be shown or drawn again.",
)
@click.option(
    "--figure", type=FILE, help="Also draw error against time and MACs to this PDF or PNG file."
)
@click.option(
    "--output",
    type=FILE,
    help="Also write what was measured, and on which machine, to this JSON file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print that JSON, not a table.")
@prediction_options
def latency(
    models: tuple[Path, ...],
    batches: tuple[int, ...],
    measured: Path | None,
    figure: Path | None,
    output: Path | None,
    as_json: bool,
    **execution: Any,
) -> None:
    """Time every sub-network of the exported folders MODEL, in turns.

    Each is run as by `anyslice predict`. Times are medians, with quartiles.
    """
    import json
    from dataclasses import asdict

    import pandas as pd

    from anyslice.costs.latency import Comparison, read_comparison
    from anyslice.costs.machine import this_machine
    from anyslice.files import write_json

    if bool(models) == bool(measured):
        raise click.UsageError("give folders of exported networks, or --measured")
    if measured:
        found = read_comparison(measured)
    else:
        rows = _measure(models, batches, **execution)
        found = Comparison(this_machine(execution["threads"]), tuple(rows))
    if output:
        write_json(output, asdict(found))
    table = pd.DataFrame(found.rows)
    if figure:
        from anyslice.figures.latency import draw

        draw(table, found.machine, figure)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
        return
    click.echo(found.machine)
    click.echo(table.to_string(index=False, float_format="{:.3f}".format))


def _measure(models: Sequence[Path], batches: Sequence[int], **execution: Any) -> list[TimedWay]:
    from anyslice.costs.latency import time_subnetworks
    from anyslice.runtime import AnytimePredictor

    rows = []
    for folder in models:
        predictor = AnytimePredictor(folder, **execution)
        for batch in batches:
            rows += time_subnetworks(predictor, batch)
    return rows
