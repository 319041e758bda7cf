"""`anyslice export`: a trained network as a folder that runs anywhere."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import FOLDER, trust_option
from anyslice.config.checked_yaml import ParameterError
from anyslice.config.dataset import load_description
from anyslice.export.folder import export_run
from anyslice.export.run_folder import load_run


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--output", type=FOLDER, default=Path("exported"), help="The folder to write.")
@click.option("--licence", default="not stated", help="Of the weights, to be written there.")
@trust_option
def export(run: Path, output: Path, licence: str, trust: bool) -> None:
    """Write the trained network in the folder RUN for `anyslice predict` and other programs.

    The folder has model.json (image format, labels, costs, errors, calibration), the sub-networks
    as ONNX, of an interruptible network also its steps and one graph of all answers, and a
    README.md. Each graph is checked against the network; one that is there already is left as it is
    if it gives the same.
    """
    trained = load_run(run, trust=trust)
    try:
        data = load_description(trained.training["dataset"])
    except ParameterError:  # not described here
        data = None
    for name, new in export_run(trained, output, licence, data):
        size = (output / name).stat().st_size
        click.echo(f"{output / name}  {size / 1e6:.2f} MB{'' if new else '  (kept)'}")
