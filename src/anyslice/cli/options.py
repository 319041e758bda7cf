"""What several verbs share: the scale option, and errors without a traceback."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from anyslice.errors import AnysliceError

F = TypeVar("F", bound=Callable[..., Any])

scale_option = click.option(
    "--scale",
    default="quick",
    show_default=True,
    help="A scale in params/, or the path of a YAML file.",
)


def fail_clearly(verb: F) -> F:
    """Turn the errors a person can put right into one line and exit status 1."""

    @functools.wraps(verb)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return verb(*args, **kwargs)
        except BrokenPipeError:
            raise  # by `| head`: click ends quietly
        except (AnysliceError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return wrapper  # type: ignore[return-value]


def prediction_options(verb: F) -> F:
    """The options that say what runs a trained network."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), help="CPU threads."),
        click.option(
            "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True
        ),
        click.option(
            "--engine",
            type=click.Choice(["auto", "onnxruntime", "torch"]),
            default="auto",
            show_default=True,
            help="auto: on the CPU ONNX Runtime if it is installed, else PyTorch.",
        ),
    ):
        verb = option(verb)
    return verb
