"""One graph, two tools: what Snakemake makes, DVC proves and stores. On a real study."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import yaml

SCALE = "params/quick.yaml"
FIGURE = "results/fig4a.pdf"
TABLE = "results/quick/fig4a.csv"
RUNS = ("i-resnext", "is-resnext", "resnext-11")
LINE = "datasets.fashion-mnist-quick.runs.is-resnext"
METRICS = "results/quick/runs/fashion-mnist-quick/resnext-11/seed1/metrics.json"


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def study(tmp_path_factory, copy_repository, run, remote) -> Path:
    """A repository in which `dvc repro fig4a` was run from nothing, and the study committed.

    Its quick scale is the tiny one: three runs with one seed.
    """
    folder = copy_repository(tmp_path_factory.mktemp("study"))
    shutil.copy(folder / "tests/scales/tiny.yaml", folder / SCALE)
    stages = yaml.safe_load((folder / "dvc.yaml").read_text())
    stages["stages"] = smaller(stages["stages"])
    stages["plots"] = ["results/quick/fig4a.png"]
    (folder / "dvc.yaml").write_text(yaml.safe_dump(stages))
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


def smaller(stages: dict) -> dict:
    """The stages that Figure 4a of three runs with one seed needs."""
    runs = stages["fashion-mnist-quick"]
    runs["foreach"] = list(RUNS)
    one_seed = runs["do"]
    one_seed["cmd"] = " ".join(part for part in one_seed["cmd"].split() if "seed2" not in part)
    for key in ("outs", "metrics"):
        one_seed[key] = [path for path in one_seed[key] if "seed2" not in path]
    figure = stages["fig4a"]
    figure["deps"] = [path for path in figure["deps"] if path.endswith(("quick", *RUNS))]
    return {name: stages[name] for name in ("data", "flops", "fashion-mnist-quick", "fig4a")}


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
    return run(folder, "snakemake", "--dry-run", FIGURE, "--config", "scale=quick").stdout


@pytest.mark.system
def test_git_has_the_record_and_dvc_the_files(study, run):
    assert run(study, "git", "ls-files", "results").stdout == ""
    assert METRICS in (study / "dvc.lock").read_text()
    assert run(study, "git", "status", "--porcelain").stdout == ""


@pytest.mark.system
def test_a_clone_trains_nothing_with_either_tool(clone, run):
    assert "Running stage" not in run(clone, "dvc", "repro", "--dry", "fig4a").stdout
    assert "up to date" in run(clone, "dvc", "status", "--with-deps", "fig4a").stdout
    assert "nothing is outdated" in run(clone, "anyslice", "verify", "--scale", SCALE).stdout
    before = (clone / TABLE).read_bytes()
    made = run(clone, "snakemake", FIGURE).stdout
    assert not re.search(r"^(train|prepare) +\d", made, re.MULTILINE)
    assert (clone / TABLE).read_bytes() == before
    assert run(clone, "git", "status", "--porcelain").stdout == ""


@pytest.mark.system
def test_dvc_shows_errors_and_figures(study, run):
    said = run(study, "dvc", "metrics", "show", "--json").stdout
    shown = json.loads(said.splitlines()[-1])  # before it: what has not been made
    errors = shown[""]["data"][str(Path(METRICS).with_name("errors.json"))]["data"]
    assert (
        errors["test_error"]["full"] == json.loads((study / METRICS).read_text())["test_error"][-1]
    )
    run(study, "dvc", "plots", "show", "--out", "plots", "results/quick/fig4a.png")
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
    run(clone, "snakemake", FIGURE, "--config", "scale=quick")
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
@pytest.mark.parametrize("tool", ["snakemake", "dvc"])
def test_one_command_goes_on_after_a_kill(clone, run, start, tool):
    """Killed with trainings under way; these live on, and are waited for."""
    before = (clone / TABLE).read_bytes()
    for path in (clone / METRICS).parent.iterdir():
        path.unlink()
    (clone / FIGURE).unlink()
    shutil.rmtree(clone / ".dvc/cache")  # or DVC would put them back
    make = ["anyslice", "make", FIGURE, "--config", "scale=quick"]
    command = {"snakemake": make, "dvc": ["dvc", "repro", "fig4a"]}[tool]
    process = start(clone, *command)
    while not list((clone / "work").glob("quick/*/resnext-11/seed1/owner.json")):
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
