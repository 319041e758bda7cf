"""`anyslice flops`: operations and parameters of runs' sub-networks."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.loaded import scale_option
from anyslice.cli.options import FOLDER
from anyslice.config.scale import Scale
from anyslice.costs.macs import flops_of_run
from anyslice.files import write_json
from anyslice.paths import results_folder

PLACE = "Folder for <dataset>/<run>.json.  [default: results/<scale>/flops]"


@click.command()
@click.argument("runs", nargs=-1, required=True)
@scale_option
@click.option("--output", type=FOLDER, help=PLACE)
def flops(runs: tuple[str, ...], scale: Scale, output: Path | None) -> None:
    """Count the operations of each sub-network of RUNS ("<dataset>/<run>"); needs no data.

    Each run's file holds the lists macs, all_ops and params over its sub-networks.
    """
    folder = output or results_folder(scale.name) / "flops"
    for run in runs:
        write_json(folder / f"{run}.json", flops_of_run(scale, run))
