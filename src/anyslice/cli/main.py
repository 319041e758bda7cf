"""`anyslice`, the one command. Verbs import what is heavy themselves, so that --help is quick."""

from __future__ import annotations

import os

import click

from anyslice.cli.bench import bench
from anyslice.cli.claims import claims, report
from anyslice.cli.curves import curves
from anyslice.cli.data import data
from anyslice.cli.dvc import dvc_yaml
from anyslice.cli.estimate import estimate
from anyslice.cli.export import export
from anyslice.cli.figure import figure
from anyslice.cli.flops import flops
from anyslice.cli.latency import latency
from anyslice.cli.make import make
from anyslice.cli.predict import predict
from anyslice.cli.runs import runs
from anyslice.cli.status import status
from anyslice.cli.taxonomy import taxonomy, taxonomy_figure, taxonomy_parents
from anyslice.cli.train import train
from anyslice.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="anyslice")
def main() -> None:
    """Anytime prediction with thin sub-networks: data, training, prediction, FLOPs, figures.

    Snakemake calls these verbs; each also works by itself.
    """
    # Figures go to files; a user's own setting may need a screen.
    os.environ.setdefault("MPLBACKEND", "agg")


for verb in (
    data,
    taxonomy_parents,
    taxonomy,
    taxonomy_figure,
    train,
    status,
    predict,
    export,
    latency,
    flops,
    estimate,
    figure,
    curves,
    runs,
    claims,
    report,
    make,
    verify,
    dvc_yaml,
    bench,
):
    main.add_command(verb)
