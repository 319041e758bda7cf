"""Checking of YAML files against dataclasses, with errors that name file, key and choices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from anyslice.errors import AnysliceError

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid")
"""The setting of every dataclass that a file fills in: an unknown key is an error."""

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class ParameterError(AnysliceError):
    """A parameter file says something that cannot be; the message names file, key and choices."""


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: no key twice, keys are text, and 1e-4 is a number.

    PyYAML itself takes the last of equal keys, `yes` for true, and 1e-4, without a dot, for text.
    """

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """The keys and values as they are written, before anchors are merged in."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"key {key.value!r} appears twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
                key.tag = "tag:yaml.org,2002:str"
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str) -> Any:
    """What a text says as YAML.

    Raises:
        yaml.YAMLError: if it is none, or a mapping has a key twice.
    """
    return yaml.load(text, _Loader)


def read_mapping(path: Path) -> dict[str, Any]:
    """The top-level mapping of a YAML file.

    Raises:
        ParameterError: if the file is not YAML in UTF-8 or not a mapping.
        FileNotFoundError: if it does not exist.
    """
    try:
        raw = read_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ParameterError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ParameterError(f"{path}: the file must be a mapping of keys, not {raw!r}")
    return raw


def missing(what: str, path: Path, choices: Iterable[Path]) -> ParameterError:
    """The error that there is no such file; it lists the names of those that can be chosen."""
    names = ", ".join(sorted(choice.stem for choice in choices))
    advice = f"choose from {names}" if names else "run this from the top of the repository"
    return ParameterError(f"there is no {what} (no file {path}); {advice}")


def raise_problems(where: Path | str, problems: Iterable[str]) -> None:
    """Raise ParameterError, with a line for each problem, if there are any."""
    lines = [f"{where}: {problem}" for problem in problems]
    if lines:
        raise ParameterError("\n".join(lines))


def check(
    kind: type[T],
    value: Any,
    path: Path | str,
    at: tuple[str, ...] = (),
    own: tuple[str, ...] = (),
) -> T:
    """The value as a dataclass; strict, so that a number in quotes is an error and no number.

    Args:
        kind: a pydantic dataclass that forbids extra keys.
        value: what YAML gave.
        path: the file, or what else has the value, for the message.
        at: the keys that lead to the value in the file, for the message.
        own: keys of `kind` that no file has, so that the message does not offer them.

    Raises:
        ParameterError: a line for each key that is unknown, missing or of the wrong type.
    """
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        schema = adapter.json_schema()
        for key in own:
            schema["properties"].pop(key)
        lines = [_explain(schema, at, found) for found in error.errors(include_url=False)]
        raise ParameterError("\n".join(f"{path}: {line}" for line in lines)) from None


def check_file(kind: type[T], raw: dict[str, Any], path: Path) -> T:
    """As `check`, of a whole file: its name and path are no keys of it, but attributes of `kind`.

    Raises:
        ParameterError: also if it has such a key.
    """
    own = {"name": path.stem, "path": str(path)}
    for key in own:
        if key in raw:
            raise ParameterError(f"{path}: unknown key {key!r}: it is the file's own {key}")
    return check(kind, raw | own, path, own=tuple(own))


def load_file(kind: type[T], path: Path, what: str, choices: Iterable[Path]) -> T:
    """Read a file and check it as `check_file` does; a missing one is a ParameterError too."""
    try:
        return check_file(kind, read_mapping(path), path)
    except FileNotFoundError:
        raise missing(what, path, choices) from None


def _explain(schema: dict[str, Any], at: tuple[str, ...], error: Any) -> str:
    keys, _ = _locate(schema, error["loc"])
    key = ".".join(str(part) for part in (*at, *keys))
    match error["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            _, parent = _locate(schema, error["loc"][:-1])
            return f"unknown key {key!r}; choose from {', '.join(parent.get('properties', {}))}"
        case "missing" | "missing_argument":
            return f"key {key!r} is missing"
        case _:
            return f"key {key!r}: {error['msg']} (found {json.dumps(error['input'])})"


def _locate(
    schema: dict[str, Any], loc: tuple[int | str, ...]
) -> tuple[list[int | str], dict[str, Any]]:
    """Pydantic's way to a value as the keys of the file, and the part of the schema it leads to.

    Where one of several dataclasses is chosen by a name, pydantic puts that name into the way.
    """
    keys: list[int | str] = []
    node = schema
    for part in loc:
        if "discriminator" in node:
            node = {"$ref": node["discriminator"]["mapping"][part]}
        else:
            keys.append(part)
            node = (
                node.get("properties", {}).get(part)
                or node.get("additionalProperties")
                or node.get("items")
                or {}
            )
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return keys, node
