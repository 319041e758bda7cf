"""Network families that live outside the package, named "<module>:<family>" in a scale.

The module is found from the folder that the command runs in, or by PYTHONPATH, or installed. It has
a table FAMILIES like that of `config.families`. Neither finding a module's file nor checking a row
imports what builds the network, and so no PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from symtable import symtable
from typing import Any

from anyslice.config.checked_yaml import ParameterError
from anyslice.config.families import FAMILIES, NetworkParams
from anyslice.config.family import Family
from anyslice.config.look import look_problems

TABLE = "FAMILIES"


class FamilyError(ParameterError):
    """A family outside the package cannot be found or used."""


def load_family(name: str) -> Family:
    """The family called "<module>:<family>".

    Raises:
        FamilyError: if there is no such module or row, or the row is wrong, which then is said.
    """
    module, _, key = name.partition(":")
    see_current_folder()
    try:
        table = getattr(import_module(module), TABLE, None)
    except Exception as error:
        raise FamilyError(
            f"family {name!r}: module {module!r} cannot be imported from {Path.cwd()} or "
            f"PYTHONPATH: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(table, Mapping) or key not in table:
        choices = ", ".join(table) if isinstance(table, Mapping) else f"no table {TABLE}"
        raise FamilyError(f"module {module!r} has no family {key!r}; it has {choices}")
    problems = list(_problems(table[key], [row for k, row in table.items() if k != key]))
    if problems:
        raise FamilyError("\n".join(f"{TABLE}[{key!r}] of {module!r}: {p}" for p in problems))
    row: Family = table[key]
    return row


def see_current_folder() -> None:
    """Let modules in the current folder be imported, after all others."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def module_file(name: str) -> Path | None:
    """The source file of a module outside the package, found without importing it; None if none."""
    see_current_folder()
    places: list[str] | None = sys.path
    spec, parts = None, name.split(".")
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    origin = spec.origin if spec else None
    return Path(origin).resolve() if origin and origin.endswith(".py") else None


def _problems(row: Any, others: list[Any]) -> Iterator[str]:
    """What is wrong with a row of a table outside the package."""
    if not isinstance(row, Family):
        yield f"a Family(params, implementation, label, colour, marker) is needed, not {row!r}"
        return
    params: Any = row.params
    if not (isinstance(params, type) and issubclass(params, NetworkParams)):
        yield f"params: a dataclass that extends NetworkParams is needed, not {params!r}"
    elif "__dataclass_fields__" not in vars(params):
        yield f"params: {params.__name__} lacks the decorator @dataclass(frozen=True)"
    yield from _of_implementation(row.implementation)
    yield from (f"{key}: {problem}" for key, problem in look_problems(row.colour, row.marker))
    if not row.label or not isinstance(row.label, str):
        yield f"label: a name for tables and legends is needed, not {row.label!r}"
    taken = [other.label for other in (*FAMILIES.values(), *others) if isinstance(other, Family)]
    if row.label in taken:
        yield f"label: another family is called {row.label!r}"


def _of_implementation(implementation: Any) -> Iterator[str]:
    module, colon, builder = str(implementation).partition(":")
    if not module or not colon or not builder:
        yield f"implementation: '<module>:<what builds the network>' is needed, not {module!r}"
        return
    file = module_file(module)
    if file is None:
        yield f"implementation: there is no module {module!r}"
        return
    try:
        table = symtable(file.read_text(encoding="utf-8"), str(file), "exec")
    except SyntaxError as error:
        yield f"implementation: {file}, line {error.lineno}: {error.msg}"
        return
    defined = [s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()]
    if builder not in defined:
        yield f"implementation: {file} defines no {builder!r}"
