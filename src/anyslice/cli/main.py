"""`anyslice`, the one command."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from anyslice.errors import AnysliceError

SECTIONS = {
    "Data": {
        "data": "describe, fetch, prepare and show data sets",
        "taxonomy": "label levels from class names and WordNet",
    },
    "Train": {
        "train": "train a run with one seed, resuming its last checkpoint",
        "status": "which trainings wait, run, are done or failed",
        "runs": "write the table of all trainings",
        "estimate": "how long the trainings behind a figure take here",
    },
    "Predict": {
        "predict": "say what is in images, within a budget",
        "export": "write a trained network as a folder that runs anywhere",
        "latency": "time every sub-network of exported networks",
    },
    "Look": {
        "flops": "count operations and parameters of every sub-network",
        "figure": "draw a figure and write its table",
        "curves": "draw learning curves",
        "claims": "judge the paper's claims by the figures' tables",
        "report": "write verdicts, figures and trainings as one page",
    },
    "Pipeline": {
        "make": "run Snakemake, resuming after a crash",
        "verify": "say what is outdated, and why",
        "published": "a study as data: write, draw, restore, fill in pages",
    },
}
"""The verbs by what people do with them, each in a few words."""

FOR_RULES = ("taxonomy-parents", "taxonomy-figure")
"""Verbs that rules call, and people hardly; the help leaves them out."""

MODULES = dict.fromkeys(FOR_RULES, "taxonomy") | {"report": "claims"}
MODULES |= dict.fromkeys(("flops", "estimate"), "costs")
MODULES |= dict.fromkeys(("status", "verify"), "trainings")
MODULES |= dict.fromkeys(("figure", "curves", "runs"), "results")
"""Where verbs are that have no module of their name."""


class Verbs(click.Group):
    """A group that imports a verb when it is called; its help has sections, its errors a line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Those of the help, in its order."""
        return [verb for verbs in SECTIONS.values() for verb in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in (*self.list_commands(ctx), *FOR_RULES):
            return super().get_command(ctx, cmd_name)
        module = import_module(f"anyslice.cli.{MODULES.get(cmd_name, cmd_name)}")
        verb: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return verb

    def invoke(self, ctx: click.Context) -> Any:
        """Turn the errors a person can put right into one line and exit status 1."""
        # Figures go to files; a user's own setting may need a screen.
        os.environ.setdefault("MPLBACKEND", "agg")
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
                formatter.write_dl(list(verbs.items()))


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
