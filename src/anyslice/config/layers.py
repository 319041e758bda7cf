"""A scale's file, those that it extends, and settings over them, merged into one mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from anyslice.config.checked_yaml import ParameterError, missing, read_mapping, read_yaml

EXTENDS = "extends"
OF_ITSELF = ("paper_setting",)
"""Keys that a file says of itself, so that one that extends it does not say so too."""
CHOSEN_BY = ("name", "kind")
"""Keys that say what the other keys of a mapping mean: a network's family, a figure's kind."""

Layer = tuple[Path, dict[str, Any]]
"""A file and its mapping, without EXTENDS."""


def read_layers(scale: str, folder: Path) -> list[Layer]:
    """The scale's file, the file that it extends, and so on.

    Args:
        scale: a name in `folder`, or the path of a YAML file; likewise what a file extends.
        folder: where the scales are.

    Raises:
        ParameterError: if a file is missing, is not YAML, or extends itself.
    """
    layers: list[Layer] = []
    found: str | None = scale
    while found is not None:
        path = Path(found) if found.endswith(".yaml") else folder / f"{found}.yaml"
        if path in [earlier for earlier, _ in layers]:
            raise ParameterError(f"{layers[-1][0]}: key {EXTENDS!r}: {found!r} extends this file")
        raw = _read(path, folder, f"{layers[-1][0]}: key {EXTENDS!r}: " if layers else "")
        if layers:
            raw = {key: value for key, value in raw.items() if key not in OF_ITSELF}
        found = raw.pop(EXTENDS, None)
        if found is not None and not isinstance(found, str):
            raise ParameterError(f"{path}: key {EXTENDS!r}: the name of a scale is needed")
        layers.append((path, raw))
    return layers


def merge(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Mappings merged key by key, those before over those after.

    null takes a key away. A mapping of another family or kind replaces that below it as a whole.
    """
    merged: dict[str, Any] = {}
    for layer in reversed(list(layers)):
        merged = _over(layer, merged)
    return merged


def changes_of(run: str, settings: Sequence[str]) -> dict[str, Any]:
    """What settings that are given on the command line, as `recipe.epochs=1`, lay over a file.

    Args:
        run: "<dataset>/<run>", whose keys they are.
        settings: as "<key>=<value>"; the value is YAML.

    Raises:
        ParameterError: if one is not of that form.
    """
    dataset, _, name = run.partition("/")
    at = ("datasets", dataset, "runs", name)
    return merge([_nested((*at, *key.split(".")), value) for key, value in map(_parse, settings)])


def _over(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _over(value, _base_of(value, below.get(key)))
        else:
            merged[key] = value
    return merged


def _base_of(value: Mapping[str, Any], below: Any) -> Mapping[str, Any]:
    """What a mapping is laid over: nothing, if it is of another family or kind."""
    if not isinstance(below, dict):
        return {}
    differs = any(value.get(key, below.get(key)) != below.get(key) for key in CHOSEN_BY)
    return {} if differs else below


def _read(path: Path, folder: Path, named_by: str) -> dict[str, Any]:
    try:
        return read_mapping(path)
    except FileNotFoundError:
        scales = (p for p in folder.glob("*.yaml") if p.stem != "claims")
        raise ParameterError(f"{named_by}{missing(f'scale {path.stem!r}', path, scales)}") from None


def _parse(setting: str) -> tuple[str, Any]:
    key, equals, value = setting.partition("=")
    if not key or not equals:
        raise ParameterError(f"--set {setting!r}: <key>=<value> is needed, as in recipe.epochs=10")
    try:
        return key, read_yaml(value)
    except yaml.YAMLError as error:
        raise ParameterError(f"--set {setting!r}: the value is not YAML: {error}") from error


def _nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    for key in reversed(keys):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested
