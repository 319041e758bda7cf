"""What a training is, as a key: equal keys must end in equal bytes. Imports no torch."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

PACKAGE = Path(__file__).parent.parent
ROOMS = ("datasets", "kernels", "networks", "training")
"""Folders whose code determines a training's bytes. What a run imports from elsewhere (parameters,
messages, paths) reaches them by values, and these are part of the identity."""

LOOP = "training/loop.py"
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
        """16 hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def seed_folder(work: Path, scale: str, run: str, seed: int) -> Path:
    """Where the resume areas of a training are, one below the other for each key."""
    return work / scale / run / f"seed{seed}"


def code_of(roots: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """The code that a run imports: SHA-256 of each file, comments and docstrings left out.

    So an edit of another family or format changes no key.

    Args:
        roots: files below the package; what they import from ROOMS, at once or later, is followed.
        package: the package's folder.
    """
    found: dict[str, str] = {}
    to_read = list(roots)
    while to_read:
        name = to_read.pop()
        if name not in found:
            found[name] = code_sha256(package / name)
            to_read += imports_of(package / name, package)
    return dict(sorted(found.items()))


def code_sha256(file: Path) -> str:
    """The SHA-256 of a file of code, comments and docstrings left out."""
    return hashlib.sha256(without_comments(file.read_text(encoding="utf-8")).encode()).hexdigest()


def imports_of(file: Path, package: Path) -> list[str]:
    """The files in ROOMS that a file imports, relative to the package."""
    modules: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Import):
            modules += [name.name for name in node.names]
    names = [module.split(".")[1:] for module in modules if module.startswith(f"{package.name}.")]
    candidates = [
        "/".join(parts) + ending
        for parts in names
        if parts and parts[0] in ROOMS
        for ending in (".py", "/__init__.py")
    ]
    return [name for name in candidates if (package / name).is_file()]


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
        if _is_text(node):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _is_text(node: ast.AST) -> TypeGuard[ast.Expr]:
    """Whether a statement is a bare string: a docstring or the note below an attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
