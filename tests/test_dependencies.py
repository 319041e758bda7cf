"""Each package that is used is declared, none else is, and the locked versions are in bounds."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

NOT_IMPORTED = {
    "dvc": ("dvc.yaml", "stages:"),
    "snakemake": ("Snakefile", "from snakemake.utils import"),
    "snakemake-executor-plugin-slurm": ("profiles/slurm/config.yaml", "executor: slurm"),
    "tensorboard": ("src", "torch.utils.tensorboard"),
}
"""What is used without being imported: where, and the text that shows it."""


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def declared(project):
    requirements = map(Requirement, project["project"]["dependencies"])
    return {canonicalize_name(requirement.name) for requirement in requirements}


@pytest.fixture(scope="module")
def optional(project):
    extras = project["project"]["optional-dependencies"].values()
    return {canonicalize_name(text) for extra in extras for text in extra}


def imported(files):
    """The top-level names that Python files import, also within functions."""
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"anyslice"}


def texts(root, name):
    path = root / name
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return "\n".join(file.read_text() for file in files)


def test_what_is_imported_is_declared_and_the_rest_is_used(root, declared, optional):
    distributions = packages_distributions()
    used = {
        canonicalize_name(distribution)
        for name in imported((root / "src").rglob("*.py")) - optional
        for distribution in distributions[name]
    }
    for package, (where, text) in NOT_IMPORTED.items():
        if text in texts(root, where):
            used.add(package)
    assert used == declared


def test_the_lock_has_a_version_in_bounds_of_all_that_is_declared(root, project):
    lines = (root / "requirements.lock").read_text().splitlines()
    locked: dict[str, list[str]] = {}
    for line in lines:
        if found := re.match(r"([\w.-]+)==([\w.+]+)", line):
            locked.setdefault(canonicalize_name(found[1]), []).append(found[2])
    for text in project["project"]["dependencies"] + project["dependency-groups"]["dev"]:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{text} is not in requirements.lock: make lock"
        assert all(version in requirement.specifier for version in versions), text
