"""`anyslice export`: sub-networks as files for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import COUNT, FOLDER


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--subnetwork",
    type=COUNT,
    help="This one only.  [default: all, and all steps of an interruptible network]",
)
@click.option("--format", type=click.Choice(["onnx"]), default="onnx", expose_value=False)
@click.option(
    "--output",
    type=FOLDER,
    default=Path("exported"),
    help="Folder for subnetwork-<k>.onnx and step-<k>.onnx.",
)
def export(run: Path, subnetwork: int | None, output: Path) -> None:
    """Write the trained network in the folder RUN as ONNX, each file checked against the network.

    A sub-network takes normalised images and gives logits. Step k of an interruptible network also
    takes the features that step k - 1 left, and leaves those for step k + 1, so that real early
    stop runs on any ONNX engine. The metadata name classes, normalisation and image size.
    """
    from anyslice.costs.macs import is_interruptible
    from anyslice.predict.engine import Part, require_onnx
    from anyslice.predict.export import export as write
    from anyslice.predict.run_folder import load_run

    require_onnx()
    trained = load_run(run)
    parts: list[Part] = ["subnetwork"]
    if subnetwork is None and is_interruptible(trained.network):
        parts.append("step")
    for part in parts:
        for k in [subnetwork] if subnetwork else range(1, trained.network.K + 1):
            path = output / f"{part}-{k}.onnx"
            write(trained, part, k, path)
            click.echo(f"{path}  {path.stat().st_size / 1e6:.2f} MB")
