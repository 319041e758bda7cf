"""Checkouts and machines that are not as one expects: they work, or say what to do."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCALE = "tests/scales/tiny.yaml"
MANIFEST = "data/fashion-mnist-quick/manifest.json"
TRAINING = "results/tiny/runs/fashion-mnist-quick/resnext-11/seed1"


@pytest.fixture(scope="module")
def project(tmp_path_factory, copy_repository, run) -> Path:
    """A copy of the repository's files, with the data of its smallest run."""
    folder = copy_repository(tmp_path_factory.mktemp("it's a project"))
    run(folder, "snakemake", "--cores", "1", MANIFEST, "--config", f"scale={SCALE}")
    return folder


@pytest.mark.slow
def test_a_checkout_runs_its_own_code(project, run):
    """Git worktrees and queued experiments share an environment."""
    verb = project / "src/anyslice/cli/trainings.py"
    text = verb.read_text()
    verb.write_text(text.replace('"""Show', '"""In this checkout, show', 1))
    assert verb.read_text() != text
    assert "In this checkout" in run(project, "anyslice", "status", "--help").stdout
    verb.write_text(text)


@pytest.mark.slow
def test_a_training_records_the_code_of_its_own_checkout(project, run):
    loss = project / "src/anyslice/training/loss.py"
    text = loss.read_text()
    loss.write_text(text + "\nMARK = 1\n")
    target = f"{TRAINING}/metrics.json"
    run(project, "snakemake", "--cores", "1", target, "--config", f"scale={SCALE}")
    loss.write_text(text)
    recorded = json.loads((project / target).read_text())["code_sha256"]["training/loss.py"]
    said = run(project, "anyslice", "verify", "--scale", SCALE, check=False).stdout
    assert "training/loss.py" in said, recorded


@pytest.mark.slow
def test_data_dated_in_the_future_do_not_fail_a_training(project, run):
    in_an_hour = time.time() + 3600
    os.utime(project / MANIFEST, (in_an_hour, in_an_hour))
    (project / TRAINING / "metrics.json").unlink(missing_ok=True)
    target = f"{TRAINING}/metrics.json"
    said = run(project, "snakemake", "--cores", "1", target, "--config", f"scale={SCALE}").stdout
    assert f"{MANIFEST} is dated in the future" in said
    assert (project / target).exists()


@pytest.mark.slow
def test_a_home_that_cannot_be_written(project):
    environment = os.environ | {
        "HOME": "/proc/nowhere",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment.pop("XDG_CACHE_HOME", None)
    done = subprocess.run(
        ["anyslice", "make", "-n", "--cores", "1", "results/fig1.pdf"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_path_of_other_letters_in_the_c_locale(tmp_path, copy_repository):
    """Python 3.11 takes such a path for ASCII there, unless it is told otherwise."""
    folder = tmp_path / "Überprüfung ✓"
    folder.mkdir()
    copy_repository(folder)
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))
    }
    environment |= {"LC_ALL": "C", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["snakemake", "--cores", "1", f"{TRAINING}/metrics.json", "--config", f"scale={SCALE}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert done.returncode == 0, done.stdout
    assert (folder / TRAINING / "metrics.json").exists()


@pytest.mark.slow
def test_folders_with_any_characters_in_commands(project, run):
    """A scale's path with a space, a source folder with an apostrophe."""
    scale = project / "my scales/tiny.yaml"
    scale.parent.mkdir()
    scale.write_text((project / SCALE).read_text())
    config = [f"scale={scale.relative_to(project)}", "sources={cub: 'it''s here'}"]
    run(project, "snakemake", "--cores", "1", "flops", "--config", *config)
    shown = run(
        project,
        "snakemake",
        "-n",
        "-p",
        "--cores",
        "1",
        "data/cub/manifest.json",
        "--config",
        *config,
    ).stdout
    assert """fetch cub --source 'it'"'"'s here'""" in shown


@pytest.mark.slow
def test_a_scale_of_ones_own_fails_no_test(copy_repository, run, tmp_path):
    checkout = copy_repository(tmp_path)
    (checkout / "params/mine.yaml").write_text("extends: quick\nseeds: [7]\n")
    about_scales = ("tests/test_params.py", "tests/config", "tests/test_command_line.py")
    run(checkout, "pytest", "-q", "-m", "not slow", *about_scales)
