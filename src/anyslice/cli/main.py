"""`anyslice`, the one command. Verbs import what is heavy themselves, so that --help is quick."""

from __future__ import annotations

import os
from itertools import chain
from typing import Any

import click

from anyslice.cli.claims import claims, report
from anyslice.cli.curves import curves
from anyslice.cli.data import data
from anyslice.cli.estimate import estimate
from anyslice.cli.export import export
from anyslice.cli.figure import figure
from anyslice.cli.flops import flops
from anyslice.cli.latency import latency
from anyslice.cli.make import make
from anyslice.cli.predict import predict
from anyslice.cli.published import published
from anyslice.cli.runs import runs
from anyslice.cli.status import status
from anyslice.cli.taxonomy import taxonomy, taxonomy_figure, taxonomy_parents
from anyslice.cli.train import train
from anyslice.cli.verify import verify
from anyslice.errors import AnysliceError

SECTIONS: dict[str, dict[click.Command, str]] = {
    "Data": {
        data: "describe, fetch, prepare and show data sets",
        taxonomy: "label levels from class names and WordNet",
    },
    "Train": {
        train: "train a run with one seed, resuming its last checkpoint",
        status: "which trainings wait, run, are done or failed; time left",
        runs: "write the table of all trainings",
        estimate: "how long the trainings behind a figure take here",
    },
    "Predict": {
        predict: "say what is in images, within a budget",
        export: "write a trained network as a folder that runs anywhere",
        latency: "time every sub-network of exported networks",
    },
    "Look": {
        flops: "count operations and parameters of every sub-network",
        figure: "draw a figure and write its table",
        curves: "draw learning curves",
        claims: "judge the paper's claims by the figures' tables",
        report: "write verdicts, figures and trainings as one page",
    },
    "Pipeline": {
        make: "run Snakemake, resuming after a crash",
        verify: "say what is outdated, and why",
        published: "a study as data: write, draw, restore, fill in pages",
    },
}
"""The verbs by what people do with them, each in a few words."""

FOR_RULES = (taxonomy_parents, taxonomy_figure)
"""Verbs that rules call, and people hardly; the help leaves them out."""


class Verbs(click.Group):
    """A group whose help has its commands in sections, and whose errors are one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Turn the errors a person can put right into one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # by `| head`: click ends quietly
        except (AnysliceError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in ("anyslice", ""):
                raise
            raise click.ClickException(
                f"{error.name} is not installed: all but `anyslice predict` needs "
                "pip install 'anyslice[study]'"
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section of the verbs."""
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(str(verb.name), words) for verb, words in verbs.items()])


@click.group(
    cls=Verbs,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "show_default": True,
    },
)
@click.version_option(package_name="anyslice")
def main() -> None:
    """Anytime prediction with thin sub-networks: data, training, prediction, FLOPs, figures.

    Snakemake calls these verbs; each also works by itself.
    """
    # Figures go to files; a user's own setting may need a screen.
    os.environ.setdefault("MPLBACKEND", "agg")


for verb in (*chain.from_iterable(SECTIONS.values()), *FOR_RULES):
    main.add_command(verb)
