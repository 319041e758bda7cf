"""What a training is, as a key: equal keys must end in equal bytes. Imports no torch."""

from __future__ import annotations

import ast
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent
CODE = (
    "datasets",
    "networks",
    "training/loop.py",
    "training/loss.py",
    "training/parallel.py",
    "training/state.py",
)
"""Files and folders of the package that determine a training's bytes."""


@dataclass(frozen=True)
class Identity:
    """Everything that determines a training's bytes on one machine.

    Attributes:
        run: "<dataset>/<run>".
        seed: of initial weights, order and augmentation.
        parameters: network, recipe, label levels, and how it is executed.
        data: SHA-256 of the data set's manifest.
        code: SHA-256 of the code that runs, see `code_sha256`.
    """

    run: str
    seed: int
    parameters: dict[str, Any]
    data: str
    code: str

    @property
    def key(self) -> str:
        """16 hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def seed_folder(work: Path, scale: str, run: str, seed: int) -> Path:
    """Where the resume areas of a training are, one below the other for each key."""
    return work / scale / run / f"seed{seed}"


def code_sha256(package: Path = PACKAGE) -> str:
    """The SHA-256 of the code in CODE; comments, docstrings and formatting do not count."""
    digest = hashlib.sha256()
    for name in CODE:
        path = package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(_meaning(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a bare string: a docstring or the note below an attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
