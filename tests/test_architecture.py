"""What ARCHITECTURE.md says of the package is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def rooms(root) -> list[list[str]]:
    """The rows of the table of modules, in its order: folders ("config") or modules ("files")."""
    table = (root / "ARCHITECTURE.md").read_text().partition("| module |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return [
        [name.rstrip("/").removesuffix(".py") for name in cell.strip("`").split("`, `")]
        for cell in cells
    ]


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    package = root / "src/anyslice"
    for path in sorted(package.rglob("*.py")):
        yield ".".join(path.relative_to(package).with_suffix("").parts), path


def imported(path: Path) -> Iterator[str]:
    """What a file imports of the package, at once or later, relative to the package."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.partition(".")[2] for name in names if name.startswith("anyslice."))


def test_a_module_imports_only_from_its_row_and_those_above(root, rooms):
    row = {name: number for number, names in enumerate(rooms) for name in names}
    for module, path in modules(root):
        room = module.partition(".")[0]
        if room in ("__init__", "__main__"):
            continue
        for other in imported(path):
            assert row[other.partition(".")[0]] <= row[room], f"{module} imports {other}"


def test_every_module_it_names_is_there(root):
    text = (root / "ARCHITECTURE.md").read_text()
    for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text):
        assert list((root / "src/anyslice").glob(f"**/{name}")), name
