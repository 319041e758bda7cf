"""What several verbs share: kinds of values, and options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from anyslice.paths import results_folder

if TYPE_CHECKING:
    from anyslice.config.scale import Scale

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
COUNT = click.IntRange(min=1)

scale_option = click.option(
    "--scale", default="quick", help="A scale in params/, or the path of a YAML file."
)
results_option = click.option(
    "--results",
    type=FOLDER,
    help="The scale's results, with runs/ and flops/.  [default: results/<scale>]",
)
work_option = click.option("--work", type=FOLDER, default="work", help="Folder of checkpoints.")


def prediction_options(verb: F) -> F:
    """The options that say what runs an exported network."""
    for option in (
        click.option("--threads", type=COUNT, default=1, help="CPU threads."),
        click.option(
            "--provider",
            "providers",
            multiple=True,
            default=("CPUExecutionProvider",),
            help="What of ONNX Runtime runs it, such as CUDAExecutionProvider; can be repeated.",
        ),
    ):
        verb = option(verb)
    return verb


def scale_and_results(scale: str, results: Path | None) -> tuple[Scale, Path]:
    """What --scale and --results name; raises as `load_scale`."""
    from anyslice.config.scale import load_scale

    loaded = load_scale(scale)
    return loaded, results or results_folder(loaded.name)
