"""Verbs that count or time what networks cost; they need no data."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.loaded import scale_option
from anyslice.cli.options import COUNT, FOLDER
from anyslice.config.scale import Scale
from anyslice.costs.estimate import as_markdown, estimate_each
from anyslice.costs.macs import flops_of_run
from anyslice.errors import AnysliceError
from anyslice.files import write_json
from anyslice.paths import results_folder


@click.command()
@click.argument("runs", nargs=-1, required=True)
@scale_option
@click.option("--output", type=FOLDER, help="Folder.  [default: results/<scale>/flops]")
def flops(runs: tuple[str, ...], scale: Scale, output: Path | None) -> None:
    """Count the operations of each sub-network of RUNS ("<dataset>/<run>"); needs no data.

    <dataset>/<run>.json holds the lists macs, all_ops and params over the sub-networks of a run.
    """
    folder = output or results_folder(scale.name) / "flops"
    for run in runs:
        write_json(folder / f"{run}.json", flops_of_run(scale, run))


@click.command()
@click.argument("figures", nargs=-1)
@scale_option
@click.option("--steps", type=COUNT, default=10, help="Steps of each run.")
def estimate(figures: tuple[str, ...], scale: Scale, steps: int) -> None:
    """Time some steps of each run that FIGURES show (default: all), on this GPU or CPU.

    Prints images per second, memory and hours of a training, and of all seeds. It needs no data:
    images are random. Runs of 0 epochs are left out.
    """
    shown = [run for name in figures for run in scale.figure(name).full_names]
    runs = [name for name in dict.fromkeys(shown or scale.shown) if scale.run(name).recipe.epochs]
    if not runs:
        raise AnysliceError(f"{scale.path}: no figure shows a run that is trained")
    estimates = estimate_each(scale, runs, steps)
    click.echo(as_markdown(estimates, len(scale.seeds)))
    click.echo(f"\n{estimates[0].device}; training steps only")
