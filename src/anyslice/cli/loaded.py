"""Options whose value a verb gets as what is read there: a scale, a data set's description."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from anyslice.cli.options import FOLDER, SCALE_HELP
from anyslice.config.dataset import load_description
from anyslice.config.scale import load_scale
from anyslice.paths import data_folder, results_folder


class Loaded(click.ParamType[Any]):
    """A name or path, converted by what loads it; the loader's errors are not click's."""

    def __init__(self, name: str, load: Callable[[str], Any]) -> None:
        self.name, self.load = name, load

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Load what is given as text, once."""
        return self.load(value) if isinstance(value, str) else value


def _results(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path:
    return value or results_folder(ctx.params["scale"].name)


def _data(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path:
    return value or data_folder(ctx.params["dataset"].name)


DATASET = Loaded("dataset", load_description)

# Eager: the defaults of others depend on them.
scale_option = click.option(
    "--scale", type=Loaded("scale", load_scale), default="quick", is_eager=True, help=SCALE_HELP
)
dataset_argument = click.argument("dataset", type=DATASET, is_eager=True)
results_option = click.option(
    "--results", type=FOLDER, callback=_results, help="With runs/.  [default: results/<scale>]"
)


def data_option(name: str, words: str) -> Callable[[Any], Any]:
    """An option that names the folder of the prepared data set."""
    text = f"{words}  [default: data/DATASET]"
    return click.option(name, "folder", type=FOLDER, callback=_data, help=text)
