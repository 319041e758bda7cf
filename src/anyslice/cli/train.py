"""`anyslice train`: one training, a run with a seed."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly, scale_option


@click.command()
@click.argument("run")
@scale_option
@click.option("--seed", type=click.IntRange(min=0), required=True, help="Seed of the training.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for model, metrics, history and predictions.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the prepared data set.  [default: data/<dataset>]",
)
@fail_clearly
def train(run: str, scale: str, seed: int, output: Path, data: Path | None) -> None:
    """Train RUN ("<dataset>/<run>") with one seed."""
    from anyslice.params import load_scale
    from anyslice.training.job import run_training

    run_training(load_scale(scale), run, seed, output, data)
