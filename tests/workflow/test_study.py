"""The committed study: whole, of one kind of machine and one code, drawn again from git alone."""

import json
import re
from collections import defaultdict

import pandas as pd
import pytest

from anyslice.claims.claim import Claim
from anyslice.claims.errors import MeanGap
from anyslice.claims.judge import evaluate
from anyslice.claims.pages import cells
from anyslice.claims.verdict import read_verdicts
from anyslice.config.scale import load_scale
from anyslice.files import sha256

SCALE = "study"
MADE = ("*.csv", "*.tex", "claims.md")


@pytest.fixture(scope="module")
def metrics(root):
    """metrics.json of every training, by run and seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        scale = load_scale(SCALE)
    return {
        (run, seed): json.loads(
            (root / f"results/{SCALE}/runs/{run}/seed{seed}/metrics.json").read_text()
        )
        for run in scale.shown
        for seed in scale.seeds
    }


@pytest.fixture(scope="module")
def verdicts(root):
    """The study's verdicts by claim."""
    return {v.claim: v for v in read_verdicts(root / f"results/{SCALE}/claims.csv")}


def test_the_seeds_of_a_run_share_machine_and_code(metrics):
    of_run = defaultdict(list)
    for (run, _), found in metrics.items():
        of_run[run].append((found["execution"]["devices"], found["code_sha256"], found["packages"]))
    for run, executions in of_run.items():
        assert all(execution == executions[0] for execution in executions), run


def test_each_training_is_what_the_scale_says(metrics):
    for (run, seed), found in metrics.items():
        assert (found["run"], found["seed"], found["scale"]) == (run, seed, SCALE)


def test_released_models_are_trainings_of_the_study(root, metrics):
    released = {
        f"{folder.parent.name}/{folder.name}": folder
        for folder in (root / "models").glob("cifar*/*")
    }
    of_cifar10 = {f"cifar10/{name}" for name in ("i-resnext", "is-resnext", "msdnet")}
    assert released.keys() == of_cifar10 | {"cifar100/is-resnext-levels"}
    for run, folder in released.items():
        found = json.loads((folder / "metrics.json").read_text())
        assert found == metrics[run, found["seed"]]
        assert sha256(folder / "model.safetensors") == found["weights_sha256"]
    files = [path for path in (root / "models").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8e6


@pytest.mark.system
def test_a_clone_trains_nothing_and_draws_the_same_tables(root, copy_repository, run, tmp_path):
    """Without data, weights and the folder of checkpoints."""
    clone = copy_repository(tmp_path, leave_out=())
    arguments = ["--cores", "2", "--config", f"scale={SCALE}"]
    planned = run(clone, "snakemake", "-n", *arguments).stdout
    assert not re.search(r"\b(train|prepare|fetch) ", planned), planned
    folder = clone / f"results/{SCALE}"
    tables = {path.name: path.read_bytes() for pattern in MADE for path in folder.glob(pattern)}
    assert {"fig4a.csv", "fig4a.tex", "claims.csv", "claims.md", "runs.csv"} <= set(tables)
    for name in tables:
        (folder / name).unlink()
    run(clone, "snakemake", *arguments)
    assert {name: (folder / name).read_bytes() for name in tables} == tables
    assert (clone / "results/report.html").exists()


@pytest.mark.parametrize("page", ["docs/study.md"])
def test_what_the_pages_say_of_claims_is_what_was_measured(root, verdicts, page):
    """A row of their tables begins with a claim's name and ends with its verdict."""
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|(.*)\|$", (root / page).read_text(), re.MULTILINE)
    rows = [(claim, text) for claim, text in rows if claim in verdicts]
    assert len(rows) >= 5
    for claim, text in rows:
        written = [cell.strip() for cell in text.split("|")]
        shown = cells(verdicts[claim])
        assert written[-2:] == [shown["measured"], shown["verdict"]]


@pytest.mark.parametrize("epochs", [3, 6])
@pytest.mark.parametrize("dataset", ["CIFAR-10", "CIFAR-100"])
def test_what_the_page_says_of_longer_training_was_measured(root, monkeypatch, dataset, epochs):
    """MSDNet's lead, in the data set's table and the column of so many epochs."""
    monkeypatch.chdir(root)
    scale = load_scale(SCALE)
    end = {3: "", 6: "-longer"}[epochs]
    figure = {"CIFAR-10": "fig4a", "CIFAR-100": "fig4b"}[dataset] + end
    tables = {figure: pd.read_csv(root / f"results/{SCALE}/{figure}.csv")}
    networks = {"i-resnext": "I-ResNeXt", "is-resnext": "IS-ResNeXt"}
    claims = {
        run: Claim(
            "an experiment",
            f"MSDNet errs more than {name}, on average",
            MeanGap("mean-gap", figure, f"{run}{end}", f"msdnet{end}"),
            unit="points",
        )
        for run, name in networks.items()
        if f"{run}-longer" in scale.datasets[dataset.lower().replace("-", "")].runs
    }
    page = (root / "docs/study.md").read_text()
    table = page.partition(f"| on {dataset}, at equal FLOPs |")[2].partition("\n\n")[0]
    for verdict in evaluate(claims, scale, tables):
        (row,) = re.findall(rf"^\| {verdict.quantity} \|(.*)\|$", table, re.MULTILINE)
        assert row.split("|")[{3: 0, 6: 1}[epochs]].strip() == cells(verdict)["measured"]
