"""`anyslice predict`: what is in pictures, within a budget."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click

from anyslice.cli.options import COUNT, prediction_options
from anyslice.runtime import AnytimePredictor, ImageError

_POSITIVE = click.FloatRange(min=0, min_open=True)
_SHARE = click.FloatRange(min=0, max=1, min_open=True)
_FORMATS = {"probability": "{:.1%}", "right": "{:.1%}", "milliseconds": "{:.2f}", "late": "{:.2f}"}
_USUAL = {"late": 0.0, "level": 1}


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--subnetwork", type=COUNT, help="Use this one, 1 ... K.")
@click.option("--macs", type=_POSITIVE, help="Multiply-adds that may be spent on an image.")
@click.option(
    "--milliseconds", type=_POSITIVE, help="For an image, by the latencies measured here."
)
@click.option(
    "--deadline", type=_POSITIVE, help="Milliseconds from reading an image to its answer."
)
@click.option("--confidence", type=_SHARE, help="Stop at the first answer that is right so often.")
@click.option("--accuracy", type=_SHARE, help="Use the finest labels that are right so often.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all probabilities.")
@prediction_options
def predict(
    model: Path,
    images: tuple[str, ...],
    as_json: bool,
    threads: int,
    providers: tuple[str, ...],
    **budgets: Any,
) -> None:
    """Say what is in each IMAGE, by the network in the folder MODEL that `anyslice export` wrote.

    One of the budgets chooses the largest sub-network that fits; without one the full network
    answers. "right" is how often such an answer was right on validation images.
    """
    predictor = AnytimePredictor(model, threads=threads, providers=providers)
    rows, unreadable = [], []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        if budgets["deadline"] is not None:
            predictor.prepare()
        for image in images:
            try:
                (answer,) = predictor.predict(image, **budgets)
            except ImageError as error:
                unreadable.append(str(error))
            else:
                rows.append({"image": image} | answer.as_dict())
    for message in dict.fromkeys(str(warning.message) for warning in warned):
        click.echo(f"Warning: {message}", err=True)
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        click.echo(_table(rows))
    if unreadable:
        raise click.ClickException("\n".join(unreadable))


def _table(rows: list[dict[str, Any]]) -> str:
    """The answers, one a line, without probabilities and what says nothing here."""
    columns = [
        name
        for name in rows[0]
        if name != "probabilities" and any(row[name] != _USUAL.get(name) for row in rows)
    ]
    texts = [[_FORMATS.get(name, "{}").format(row[name]) for name in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *texts, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in (columns, *texts)
    )
