"""Checking of YAML files against dataclasses, with errors that name file, key and choices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
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


Problem = tuple[str, str]
"""A key ("" for all that is checked) and what is wrong with its value."""


class ParameterError(AnysliceError):
    """A parameter file says something that cannot be; the message names file, key and choices."""


class ProblemsError(ParameterError):
    """Several such things, a line for each."""

    def __init__(self, where: Path | str, problems: Sequence[Problem]) -> None:
        super().__init__(where, problems)
        self.where, self.problems = where, problems

    def __str__(self) -> str:
        keys = (f"key {key!r}: {problem}" if key else problem for key, problem in self.problems)
        return "\n".join(f"{self.where}: {line}" for line in keys)


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


def raise_problems(where: Path | str, problems: Iterable[Problem]) -> None:
    """Raise ProblemsError if there are any."""
    if found := list(problems):
        raise ProblemsError(where, found)


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
        ProblemsError: keys that are unknown, missing or of the wrong type.
    """
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        schema = adapter.json_schema()
        for key in own:
            schema["properties"].pop(key)
        found = error.errors(include_url=False)
        problems = (problem for one in found for problem in _explain(schema, at, one))
        raise ProblemsError(path, list(problems)) from None


def check_file(kind: type[T], raw: dict[str, Any], path: Path) -> T:
    """As `check`, of a whole file: its name and path are no keys of it, but attributes of `kind`.

    Raises:
        ProblemsError: also if it has such a key.
    """
    own = {"name": path.stem, "path": str(path)}
    raise_problems(
        path, ((key, f"unknown: it is the file's own {key}") for key in own.keys() & raw.keys())
    )
    return check(kind, raw | own, path, own=tuple(own))


def load_file(kind: type[T], path: Path, what: str, choices: Iterable[Path]) -> T:
    """Read a file and check it as `check_file` does; a missing one is a ParameterError too."""
    try:
        return check_file(kind, read_mapping(path), path)
    except FileNotFoundError:
        raise missing(what, path, choices) from None


def _explain(schema: dict[str, Any], at: tuple[str, ...], error: Any) -> list[Problem]:
    """What pydantic found, with the keys and choices of the file."""
    loc = [part for part in error["loc"] if part != "[key]"]  # there where a key itself is wrong
    keys, _ = _locate(schema, loc)
    key = ".".join(map(str, (*at, *keys)))
    match error:
        case {"ctx": {"error": ProblemsError(problems=inner)}}:
            return [(f"{key}.{rest}".removesuffix("."), problem) for rest, problem in inner]
        case {"ctx": {"error": ParameterError() as inner}}:
            return [(key, str(inner))]
        case {"type": "unexpected_keyword_argument" | "extra_forbidden"}:
            _, parent = _locate(schema, loc[:-1])
            return [(key, f"unknown; choose from {', '.join(parent.get('properties', {}))}")]
        case {"type": "missing" | "missing_argument"}:
            return [(key, "missing")]
    return [(key, f"{error['msg']} (found {json.dumps(error['input'])})")]


def _locate(
    schema: dict[str, Any], loc: Sequence[int | str]
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
