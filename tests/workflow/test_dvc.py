"""One graph, two tools: what Snakemake makes, DVC proves and stores. On a real study."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

SCALE = "tests/scales/tiny.yaml"
FIGURE = "results/fig4a.pdf"
TABLE = "results/tiny/fig4a.csv"
CONFIG = ("--config", f"scale={SCALE}")
LINE = "datasets.fashion-mnist-quick.runs.is-resnext"
METRICS = "results/tiny/runs/fashion-mnist-quick/resnext-11/seed1/metrics.json"


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def study(tmp_path_factory, copy_repository, run, remote) -> Path:
    """A repository in which `dvc repro fig4a` was run from nothing, and the study committed."""
    folder = copy_repository(tmp_path_factory.mktemp("study"))
    run(folder, "anyslice", "dvc-yaml", "--scale", SCALE)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "config", "user.email", "someone@example.org")
    run(folder, "git", "config", "user.name", "someone")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "sources")
    run(folder, "dvc", "repro", "fig4a")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "study")
    run(folder, "dvc", "remote", "add", "--local", "--default", "store", str(remote))
    run(folder, "dvc", "push")
    return folder


@pytest.fixture
def clone(study, tmp_path, run, remote) -> Path:
    """A clone with everything pulled."""
    folder = tmp_path / "clone"
    run(study, "git", "clone", "--quiet", str(study), str(folder))
    run(folder, "git", "config", "user.email", "someone@example.org")
    run(folder, "git", "config", "user.name", "someone")
    run(folder, "dvc", "remote", "add", "--local", "--default", "store", str(remote))
    run(folder, "dvc", "pull", "--with-deps", "fig4a")
    return folder


def planned(folder, run) -> str:
    return run(folder, "snakemake", "--dry-run", FIGURE, *CONFIG).stdout


@pytest.mark.system
def test_git_has_the_numbers_and_dvc_the_rest(study, run):
    tracked = run(study, "git", "ls-files", "results").stdout.split()
    assert {TABLE, METRICS} <= set(tracked)
    assert not [path for path in tracked if path.endswith((".safetensors", ".pdf", ".png"))]
    assert run(study, "git", "status", "--porcelain").stdout == ""


@pytest.mark.system
def test_a_clone_has_nothing_to_do(clone, run):
    assert "Nothing to be done" in planned(clone, run)
    assert "Running stage" not in run(clone, "dvc", "repro", "--dry", "fig4a").stdout
    assert "up to date" in run(clone, "dvc", "status", "--with-deps", "fig4a").stdout
    assert "nothing is outdated" in run(clone, "anyslice", "verify", "--scale", SCALE).stdout
    assert run(clone, "git", "status", "--porcelain").stdout == ""


@pytest.mark.system
def test_dvc_shows_errors_and_figures(study, run):
    said = run(study, "dvc", "metrics", "show", "--json").stdout
    shown = json.loads(said.splitlines()[-1])  # before it: what has not been made
    errors = shown[""]["data"][str(Path(METRICS).with_name("errors.json"))]["data"]
    assert (
        errors["test_error"]["full"] == json.loads((study / METRICS).read_text())["test_error"][-1]
    )
    run(study, "dvc", "plots", "show", "--out", "plots", "results/tiny/fig4a.png")
    assert list((study / "plots").rglob("*fig4a.png"))
    shutil.rmtree(study / "plots")


@pytest.mark.system
def test_what_snakemake_made_is_up_to_date_after_a_commit(clone, run):
    edit(
        clone / SCALE,
        " is-resnext:\n        network: {name: is-resnext, L: 3, W: 8",
        "W: 8",
        "W: 12",
    )
    assert "up to date" not in run(clone, "dvc", "status", "--with-deps", "fig4a").stdout
    run(clone, "snakemake", FIGURE, *CONFIG)
    run(clone, "dvc", "commit", "--force", "--with-deps", "fig4a")
    assert "up to date" in run(clone, "dvc", "status", "--with-deps", "fig4a").stdout
    assert "Nothing to be done" in planned(clone, run)


@pytest.mark.system
def test_an_experiment_changes_a_parameter_and_trains_what_it_concerns(clone, run):
    before = (clone / TABLE).read_text()
    said = run(clone, "dvc", "exp", "run", "-S", f"{SCALE}:{LINE}.network.W=12", "fig4a").stdout
    assert said.count("Running stage") == 3  # the training, the FLOPs of its data set, the figure
    after = (clone / TABLE).read_text()
    changed = set(before.splitlines()) ^ set(after.splitlines())
    assert changed
    assert all("is-resnext" in line for line in changed)


@pytest.mark.system
def test_a_training_that_fails_leaves_no_figure_that_counts_as_current(clone, run):
    recipe = (
        "recipe: {learning_rate: 1.0e+30}\n        network: {name: resnext, L: 3, W: 8, B: 2, C: 2}"
    )
    network = "network: {name: resnext, L: 3, W: 8, B: 2, C: 2}"
    edit(clone / SCALE, f"resnext-11:\n        {network}", network, recipe)
    failed = run(clone, "snakemake", FIGURE, *CONFIG, check=False)
    assert failed.returncode != 0
    assert "diverged" in failed.stdout
    assert (clone / FIGURE).exists()
    assert "Nothing to be done" not in planned(clone, run)
    outdated = run(clone, "anyslice", "verify", "--scale", SCALE, check=False)
    assert outdated.returncode == 1
    assert f"{TABLE} was made from {METRICS}, which is missing" in outdated.stdout
    assert "up to date" not in run(clone, "dvc", "status", "--with-deps", "fig4a").stdout


@pytest.mark.system
def test_a_step_that_fails_leaves_no_figure_that_counts_as_current(clone, run):
    """Snakemake records a failed job as done; without our own rule it would find nothing to do."""
    edit(clone / "params/datasets/fashion-mnist-quick.yaml", "train: 9000", "9000", "9999")
    failed = run(clone, "snakemake", FIGURE, *CONFIG, check=False)
    assert failed.returncode != 0
    assert "promises" in failed.stdout
    assert "Nothing to be done" not in planned(clone, run)


@pytest.mark.system
def test_other_code_is_shown_and_trained_again_when_asked(clone, run):
    """The clone runs this repository's package; its metrics are made to be of other code."""
    metrics = json.loads((clone / METRICS).read_text())
    (clone / METRICS).write_text(
        json.dumps(metrics | {"code_sha256": {"training/loop.py": "0" * 64}})
    )
    assert (
        "changed since: code (training/loop.py)"
        in run(clone, "anyslice", "status", "--scale", SCALE).stdout
    )
    outdated = run(clone, "anyslice", "verify", "--scale", SCALE, check=False).stdout
    assert f"{METRICS} was trained with other code" in outdated
    refresh = f"anyslice verify --list --scale {SCALE} | xargs -r snakemake -n {FIGURE}"
    plan = run(clone, "sh", "-c", f"{refresh} {' '.join(CONFIG)} --forcerun").stdout
    assert "resnext-11" in plan
    assert "Nothing to be done" not in plan


@pytest.mark.system
@pytest.mark.parametrize("tool", ["snakemake", "dvc"])
def test_one_command_goes_on_after_a_kill(clone, run, start, tool):
    """Killed with trainings under way; these live on, and are waited for."""
    before = (clone / TABLE).read_bytes()
    for path in (clone / METRICS).parent.iterdir():
        path.unlink()
    (clone / FIGURE).unlink()
    make = ["anyslice", "make", FIGURE, *CONFIG]
    command = {"snakemake": make, "dvc": ["dvc", "repro", "fig4a"]}[tool]
    process = start(clone, *command)
    while not list((clone / "work").glob("tiny/*/resnext-11/seed1/owner.json")):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run(clone, *command)
    assert (clone / TABLE).read_bytes() == before
    assert "Nothing to be done" in planned(clone, run)


def edit(path: Path, where: str, old: str, new: str) -> None:
    """Replace `old` in the first place that reads `where`."""
    text = path.read_text()
    assert text.count(where) == 1
    assert where.count(old) == 1
    path.write_text(text.replace(where, where.replace(old, new)))
