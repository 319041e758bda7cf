"""`anyslice predict`: what is in pictures, within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anyslice.cli.options import COUNT, prediction_options

_POSITIVE = click.FloatRange(min=0, min_open=True)
_SHARE = click.FloatRange(min=0, max=1, min_open=True)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--subnetwork", type=COUNT, help="Use this one, 1 ... K.")
@click.option("--macs", type=_POSITIVE, help="Multiply-adds that may be spent on an image.")
@click.option(
    "--milliseconds",
    type=_POSITIVE,
    help="Time for the network on an image, by what it takes on this machine.",
)
@click.option(
    "--deadline", type=_POSITIVE, help="Milliseconds from the start on an image to its answer."
)
@click.option(
    "--confidence", type=_SHARE, help="Stop at the first answer right with this probability."
)
@click.option(
    "--accuracy",
    type=_SHARE,
    help="Answer at the finest label level at which so many answers are right.",
)
@click.option(
    "--nearest",
    is_flag=True,
    help="Where nothing fits the budget or accuracy, take the nearest and warn.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all probabilities.")
@prediction_options
def predict(
    run: Path,
    images: tuple[str, ...],
    nearest: bool,
    as_json: bool,
    engine: Any,
    device: str,
    threads: int | None,
    **budgets: Any,
) -> None:
    """Say what is in each IMAGE, by the trained network in the folder RUN.

    One of the budgets chooses the largest sub-network that fits; without one the full network
    answers. Times are measured on this machine once and kept in the user's cache.
    """
    import json
    import warnings
    from dataclasses import asdict

    import pandas as pd

    from anyslice.predict import AnytimePredictor

    predictor = AnytimePredictor.load(run, engine=engine, device=device, threads=threads)
    rows = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        if budgets["deadline"] is not None:
            predictor.prepare()
        for image in images:
            (answer,) = predictor.predict(image, below="warn" if nearest else "error", **budgets)
            rows.append({"image": image} | asdict(answer))
    for message in dict.fromkeys(str(warning.message) for warning in warned):
        click.echo(f"Warning: {message}", err=True)
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = pd.DataFrame(rows).drop(columns="probabilities")
    for optional in ("late", "level"):
        if table[optional].nunique() == 1 and table[optional][0] in (0, 1):
            table = table.drop(columns=optional)
    formats = {"probability": "{:.1%}", "milliseconds": "{:.2f}", "late": "{:.2f}"}
    for column, form in formats.items():
        if column in table:
            table[column] = table[column].map(form.format)
    click.echo(table.to_string(index=False))
