"""`anyslice flops`: operations and parameters of a run's sub-networks."""

from __future__ import annotations

from pathlib import Path

import click

from anyslice.cli.options import fail_clearly, scale_option


@click.command()
@click.argument("run")
@scale_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="JSON file with the lists macs, all_ops and params over the sub-networks.",
)
@fail_clearly
def flops(run: str, scale: str, output: Path) -> None:
    """Count the operations of each sub-network of RUN ("<dataset>/<run>"); needs no data."""
    from anyslice.evaluation.flops import flops_of_run
    from anyslice.files import write_json
    from anyslice.params import load_scale

    write_json(output, flops_of_run(load_scale(scale), run))
