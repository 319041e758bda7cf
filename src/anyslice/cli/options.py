"""What several verbs share: kinds of values, and options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
COUNT = click.IntRange(min=1)
SEED = click.IntRange(min=0)

SCALE_HELP = "A scale in params/, or the path of a YAML file."

trust_option = click.option(
    "--trust", is_flag=True, help="Allow code of a network family outside the package to be run."
)


def prediction_options(verb: F) -> F:
    """The options that say what runs an exported network."""
    provider = click.option(
        "--provider",
        "providers",
        multiple=True,
        default=("CPUExecutionProvider",),
        help="What of ONNX Runtime runs it, such as CUDAExecutionProvider; can be repeated.",
    )
    return provider(click.option("--threads", type=COUNT, default=1, help="CPU threads.")(verb))
