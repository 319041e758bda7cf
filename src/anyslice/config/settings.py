"""Settings of a run that are given on the command line: `recipe.epochs=1`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from anyslice.config.checked_yaml import ParameterError
from anyslice.config.layers import merge


def changes_of(run: str, settings: Sequence[str]) -> dict[str, Any]:
    """What settings lay over a scale's file.

    Args:
        run: "<dataset>/<run>", whose keys they are.
        settings: as "<key>=<value>"; the value is YAML.

    Raises:
        ParameterError: if one is not of that form.
    """
    dataset, _, name = run.partition("/")
    at = ("datasets", dataset, "runs", name)
    return merge([_nested((*at, *key.split(".")), value) for key, value in map(_parse, settings)])


def _parse(setting: str) -> tuple[str, Any]:
    key, equals, value = setting.partition("=")
    if not key or not equals:
        raise ParameterError(f"--set {setting!r}: <key>=<value> is needed, as in recipe.epochs=10")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ParameterError(f"--set {setting!r}: the value is not YAML: {error}") from error


def _nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested
