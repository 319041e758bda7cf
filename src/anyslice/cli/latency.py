"""`anyslice latency`: how long sub-networks take here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anyslice.cli.options import fail_clearly, prediction_options


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(min=1),
    multiple=True,
    default=(1, 64),
    show_default=True,
    help="Images of a call; can be repeated.",
)
@click.option(
    "--figure",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also draw error against time and MACs to this PDF or PNG file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the machine.")
@prediction_options
@fail_clearly
def latency(
    runs: tuple[Path, ...],
    batches: tuple[int, ...],
    figure: Path | None,
    as_json: bool,
    engine: Any,
    device: str,
    threads: int | None,
) -> None:
    """Time every sub-network of the trained networks in the folders RUN, in turns.

    Each is timed by the engine that `anyslice predict` uses, and in eager PyTorch as public code
    runs it: MSDNet always computes all its exits there. Times are medians, with quartiles.
    """
    import json

    import pandas as pd

    from anyslice.costs.bench import machine
    from anyslice.figures.latency import draw
    from anyslice.predict import AnytimePredictor
    from anyslice.predict.latency import compare_with_eager

    rows = []
    for folder in runs:
        predictor = AnytimePredictor.load(folder, engine=engine, device=device, threads=threads)
        for batch in batches:
            rows += compare_with_eager(predictor.run, predictor.engine, batch)
    table = pd.DataFrame(rows)
    if figure:
        draw(table, machine(), figure)
    if as_json:
        click.echo(json.dumps({"machine": machine(), "rows": rows}, indent=2))
        return
    click.echo("{cpu}, {threads} of {cores} threads, torch {torch}".format(**machine()))
    click.echo(table.to_string(index=False, float_format="{:.3f}".format))
