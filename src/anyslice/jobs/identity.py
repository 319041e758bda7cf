"""What a training is, as a key, and whether a finished one still is what it would be now.

Equal keys must end in equal bytes. Imports no torch.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from anyslice.config.families import module_file
from anyslice.config.scale import Run
from anyslice.errors import AnysliceError
from anyslice.files import read_json, sha256, write_json

PACKAGE = Path(__file__).parent.parent
ROOMS = ("datasets", "networks", "training")
KERNELS = "anyslice_kernels"
"""The folders of the package, and the package beside it, whose code determines a training's bytes.
What a run imports from elsewhere (parameters, messages, paths) reaches them by values, and these
are part of the identity."""

LOOP = "training/loop.py"
EQUAL_CODE = Path("params/equal-code.json")
"""Which code trains to the same bytes as earlier code: a list of records of `jobs.replay`."""

STORAGES = {"tensor": "datasets/tensors.py", "files": "datasets/streaming.py"}


@dataclass(frozen=True)
class Identity:
    """Everything that determines a training's bytes on one machine.

    Attributes:
        run: "<dataset>/<run>".
        seed: of initial weights, order and augmentation.
        parameters: network, recipe, label levels, and how it is executed.
        data: SHA-256 of the data set's manifest.
        code: SHA-256 of each file of code that the run imports, see `code_of`.
    """

    run: str
    seed: int
    parameters: dict[str, Any]
    data: str
    code: dict[str, str]

    @property
    def key(self) -> str:
        """16 hexadecimal digits; the run's name is left out, as no byte depends on it."""
        decisive = {name: value for name, value in asdict(self).items() if name != "run"}
        return digest(decisive | {"code": origin_of(self.code, self.parameters["run"])})


def digest(value: Any) -> str:
    """16 hexadecimal digits of a value that JSON takes."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def origin_of(code: dict[str, str], run: Mapping[str, Any]) -> str:
    """The digest of the earliest code that trains a run to the same bytes as this code does."""
    origin, of_run = digest(code), digest(run)
    earlier = {record["code"]: record for record in _equal_code()}
    while (record := earlier.get(origin)) and of_run in record["runs"]:
        origin = record["equals"]
    return origin


def _equal_code() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(EQUAL_CODE) if EQUAL_CODE.exists() else []
    return found


def record_equal(
    runs: Mapping[str, tuple[Run, dict[str, str], dict[str, str]]], evidence: Mapping[str, Any]
) -> None:
    """Add to EQUAL_CODE.

    Args:
        runs: by name, with the code that was found equal to an earlier one, and that one.
        evidence: what the records say besides: how it was found, and where.
    """
    records = _equal_code()
    for run, code, earlier in runs.values():
        pair = {"code": digest(code), "equals": origin_of(earlier, asdict(run))}
        same = [record for record in records if record | pair == record]
        if not same:
            records.append(pair | {"runs": []} | dict(evidence))
            same = records[-1:]
        same[0]["runs"] = sorted({*same[0]["runs"], digest(asdict(run))})
    if runs:
        write_json(EQUAL_CODE, records)


def code_of(roots: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """The code that a run imports: SHA-256 of each file, comments and docstrings left out.

    So an edit of another family or format changes no key.

    Args:
        roots: names as `file_of` takes them; what they import, at once or later, is followed: of
            the package what is in ROOMS, KERNELS, of a module outside it what lies beside it.
    """
    found: dict[str, str] = {}
    to_read = list(roots)
    while to_read:
        name = to_read.pop()
        if name in found:
            continue
        file = file_of(name, package)
        if file is None:
            raise AnysliceError(f"there is no module {name!r} in {Path.cwd()} or PYTHONPATH")
        found[name] = code_sha256(file)
        to_read += imports_of(file, package)
        if not name.endswith(".py"):
            to_read += neighbours_of(name, file, package)
    return dict(sorted(found.items()))


def file_of(name: str, package: Path = PACKAGE) -> Path | None:
    """The file of a name in `code_of`: a path in the package, or a module outside it; or None."""
    return package / name if name.endswith(".py") else module_file(name)


def code_sha256(file: Path) -> str:
    """The SHA-256 of a file of code, comments and docstrings left out."""
    return hashlib.sha256(without_comments(file.read_text(encoding="utf-8")).encode()).hexdigest()


@cache
def today(name: str) -> str | None:
    """The checksum of a file of code as it is now, or None if it is gone."""
    path = file_of(name)
    return code_sha256(path) if path is not None and path.is_file() else None


def changes_since(metrics: dict[str, Any], run: Run, manifest: Path) -> list[str]:
    """What has changed since the training of a metrics.json, in words; nothing if it is up to date.

    Where there is no manifest, data are not compared.
    """
    changes = changed_inputs(metrics, run, manifest)
    recorded = metrics["code_sha256"]
    files = [name for name, checksum in recorded.items() if checksum != today(name)]
    if files and not _equal_today(recorded, run):
        changes.append(f"code ({', '.join(files)})")
    return changes


def changed_inputs(metrics: dict[str, Any], run: Run, manifest: Path) -> list[str]:
    """The same without code: reasons to train again."""
    changes = []
    if _differ(metrics["parameters"], run):
        changes.append("parameters")
    if manifest.exists() and metrics["data_manifest_sha256"] != sha256(manifest):
        changes.append("data")
    return changes


def _equal_today(recorded: dict[str, str], run: Run) -> bool:
    """Whether the code of now was found equal to what a training recorded."""
    storages = recorded.keys() & set(STORAGES.values())
    parameters = asdict(run)
    now = code_of([LOOP, *storages, run.network.file])
    return origin_of(now, parameters) == origin_of(recorded, parameters)


def _differ(recorded: Any, value: Any) -> bool:
    """Whether recorded parameters are not these; one that did not exist yet had its default."""
    if not (is_dataclass(value) and isinstance(recorded, dict)):
        return bool(_as_json(recorded) != _as_json(value))
    defaults = {field.name: field.default for field in fields(value)}
    return not recorded.keys() <= defaults.keys() or any(
        _differ(recorded.get(name, default), getattr(value, name))
        for name, default in defaults.items()
    )


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def imports_of(file: Path, package: Path) -> list[str]:
    """The files in ROOMS or KERNELS that a file imports, relative to the package."""
    modules = _imported(file, package=None)
    names = []
    for module in modules:
        top, *rest = module.split(".")
        if top == package.name and rest and rest[0] in ROOMS:
            names.append("/".join(rest))
        elif top == KERNELS:
            names.append("/".join(["..", top, *rest]))
    candidates = [name + ending for name in names for ending in (".py", "/__init__.py")]
    return [name for name in candidates if (package / name).is_file()]


def neighbours_of(module: str, file: Path, package: Path) -> list[str]:
    """The modules that a module outside the package imports from its own folder or package."""
    is_package = file.name == "__init__.py"
    top = file.parents[module.count(".") + is_package]
    own = module if is_package else module.rpartition(".")[0]
    names = [name for name in _imported(file, own) if name.split(".")[0] != package.name]
    if "site-packages" in top.parts:  # where all that is installed lies side by side
        names = [name for name in names if name.split(".")[0] == module.split(".")[0]]
    return [
        name
        for name in dict.fromkeys(names)
        if (found := module_file(name)) is not None
        and found.parents[name.count(".") + (found.name == "__init__.py")] == top
    ]


def _imported(file: Path, package: str | None) -> list[str]:
    """The dotted names that a file may import; relative ones too, if its package is named."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            if node.level and package:
                name = resolve_name(name, package)
            if not name.startswith("."):
                modules += [name, *(f"{name}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return modules


def without_comments(source: str) -> str:
    """The source without comments, docstrings, blank lines and spaces at the ends of lines.

    It is the same text under every version of Python, which `ast.dump` is not.
    """
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring, of an attribute too
                for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
