"""`anyslice flops`: operations and parameters of runs' sub-networks."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import FOLDER, scale_option
from anyslice.paths import results_folder


@click.command()
@click.argument("runs", nargs=-1, required=True)
@scale_option
@click.option(
    "--output",
    type=FOLDER,
    help="Folder for <dataset>/<run>.json.  [default: results/<scale>/flops]",
)
def flops(runs: tuple[str, ...], scale: str, output: Path | None) -> None:
    """Count the operations of each sub-network of RUNS ("<dataset>/<run>"); needs no data.

    Each run's file holds the lists macs, all_ops and params over its sub-networks.
    """
    from anyslice.config.scale import load_scale
    from anyslice.costs.macs import flops_of_run
    from anyslice.files import write_json

    loaded = load_scale(scale)
    folder = output or results_folder(loaded.name) / "flops"
    for run in runs:
        write_json(folder / f"{run}.json", flops_of_run(loaded, run))
