"""Each package that is used is declared, none else is, and the locked versions are in bounds."""

import ast
import itertools
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
    "onnx": ("src/anyslice/export/graphs.py", "torch.onnx.export"),
    "onnxscript": ("src/anyslice/export/graphs.py", "torch.onnx.export"),
    "snakemake-executor-plugin-slurm": ("profiles/slurm/config.yaml", "executor: slurm"),
}
"""What is used without being imported: where, and the text that shows it."""


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def runtime(project):
    return names_of(project["project"]["dependencies"])


@pytest.fixture(scope="module")
def study(project):
    return names_of(project["project"]["optional-dependencies"]["study"])


@pytest.fixture(scope="module")
def cpu(project):
    return names_of(project["project"]["optional-dependencies"]["cpu"])


def names_of(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported(files):
    """The top-level names that Python files import, also within functions."""
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"anyslice", "anyslice_kernels"}


def texts(root, name):
    path = root / name
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return "\n".join(file.read_text() for file in files)


def distributions_of(files):
    known = packages_distributions()
    return {canonicalize_name(found) for name in imported(files) for found in known[name]}


def test_what_is_imported_is_declared_and_the_rest_is_used(root, runtime, study):
    used = distributions_of((root / "src/anyslice").rglob("*.py"))
    for package, (where, text) in NOT_IMPORTED.items():
        if text in texts(root, where):
            used.add(package)
    assert used == runtime | study
    assert not runtime & study


def test_numba_is_needed_by_the_kernels_alone(root, cpu):
    used = distributions_of((root / "src/anyslice_kernels").rglob("*.py"))
    assert used - {"numpy", "torch"} == cpu


def test_the_runtime_needs_only_what_is_always_installed(root, runtime):
    files = [*(root / "src/anyslice/runtime").glob("*.py"), root / "src/anyslice/cli/predict.py"]
    assert distributions_of(files) == runtime


def test_the_lock_has_a_version_in_bounds_of_all_that_is_declared(root, project):
    lines = (root / "requirements.lock").read_text().splitlines()
    locked: dict[str, list[str]] = {}
    for line in lines:
        if found := re.match(r"([\w.-]+)==([\w.+]+)", line):
            locked.setdefault(canonicalize_name(found[1]), []).append(found[2])
    extras = project["project"]["optional-dependencies"].values()
    groups = [project["project"]["dependencies"], *extras, project["dependency-groups"]["dev"]]
    for text in itertools.chain(*groups):
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{text} is not in requirements.lock: make lock"
        assert all(version in requirement.specifier for version in versions), text
