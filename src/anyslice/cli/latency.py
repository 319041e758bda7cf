"""`anyslice latency`: how long sub-networks take here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyslice.cli.options import COUNT, EXISTING, FILE, prediction_options

if TYPE_CHECKING:
    from anyslice.predict.latency import TimedWay


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN]...")
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
    runs: tuple[Path, ...],
    batches: tuple[int, ...],
    measured: Path | None,
    figure: Path | None,
    output: Path | None,
    as_json: bool,
    **execution: Any,
) -> None:
    """Time every sub-network of the trained networks in the folders RUN, in turns.

    Each is timed by the engine that `anyslice predict` uses, and in eager PyTorch as public code
    runs it: MSDNet always computes all its exits there. Times are medians, with quartiles.
    """
    import json
    from dataclasses import asdict

    import pandas as pd

    from anyslice.costs.machine import this_machine
    from anyslice.files import write_json
    from anyslice.predict.latency import Comparison, read_comparison

    if bool(runs) == bool(measured):
        raise click.UsageError("give folders of trained networks, or --measured")
    if measured:
        found = read_comparison(measured)
    else:
        rows = _measure(runs, batches, **execution)
        found = Comparison(this_machine(), tuple(rows))  # after --threads was heeded
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


def _measure(runs: Sequence[Path], batches: Sequence[int], **execution: Any) -> list[TimedWay]:
    from anyslice.predict import AnytimePredictor
    from anyslice.predict.latency import compare_with_eager

    rows = []
    for folder in runs:
        predictor = AnytimePredictor.load(folder, **execution)
        for batch in batches:
            rows += compare_with_eager(predictor.run, predictor.engine, batch)
    return rows
