"""The image is built by the steps that CI runs anyway, and results made in it are results."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

IMAGE = "anyslice.sif"


@pytest.fixture
def steps(root):
    """The instructions of the Containerfile: (name, argument)."""
    lines = (root / "Containerfile").read_text().splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


def arguments(steps, name):
    return [argument for instruction, argument in steps if instruction == name]


def planned(folder, target):
    """What make would run in a folder where nothing is installed."""
    command = ["make", "--dry-run", "--no-print-directory", "--always-make", target]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return re.sub(r"/installed-\d+", "/installed", ran.stdout).splitlines()  # a stamp of the folder


def test_the_environment_is_installed_as_the_readme_says(root, steps):
    """The README's two commands begin with what the image runs, besides Debian's packages."""
    own = [step for step in arguments(steps, "RUN") if not step.startswith("apt-get ")]
    assert own == ["make install"]
    install = planned(root, "install")
    for command in ("demo", "test"):
        assert f"\nmake {command} " in (root / "README.md").read_text()
        assert planned(root, command)[: len(install)] == install


def test_what_is_copied_is_enough_to_install_it(root, steps, tmp_path):
    for argument in arguments(steps, "COPY"):
        *sources, target = argument.split()
        for source in sources:
            if (root / source).is_dir():
                shutil.copytree(root / source, tmp_path / target)
            else:
                shutil.copy(root / source, tmp_path / target)
    assert planned(tmp_path, "install") == planned(root, "install")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    assert (tmp_path / project["readme"]).exists()
    assert (tmp_path / project["license-files"][0]).exists()


def test_its_python_is_one_that_the_package_supports(root, steps):
    (base,) = arguments(steps, "FROM")
    version = re.fullmatch(r"python:3\.(\d+)-slim", base)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert int(version[1]) >= int(project["requires-python"].removeprefix(">=3."))


def test_the_jobs_run_in_the_image_that_the_containerfile_says_to_build(root):
    assert f'container: "{IMAGE}"' in (root / "Snakefile").read_text()
    assert f"apptainer build {IMAGE} " in (root / "Containerfile").read_text()


@pytest.mark.slow
def test_a_result_made_in_the_image_is_current_outside_of_it(root, tmp_path):
    """Snakemake records the image with the result; the record is written here as it would be."""
    (tmp_path / "Snakefile").write_text(
        f'container: "{IMAGE}"\nrule all:\n    output: "made"\n    shell: "touch {{output}}"\n'
    )

    def snakemake(*arguments):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return ran.stdout + ran.stderr

    snakemake()
    (record,) = (tmp_path / ".snakemake/metadata").iterdir()
    content = json.loads(record.read_text())
    content["software_stack_hash"] = hashlib.md5(IMAGE.encode()).hexdigest()
    record.write_text(json.dumps(content))
    assert "software environment definition has changed" in snakemake("--dry-run")
    for profile in ("default", "gpu"):
        planned = snakemake("--dry-run", "--workflow-profile", str(root / "profiles" / profile))
        assert "Nothing to be done" in planned
