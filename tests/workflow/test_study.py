"""The published study: whole, of one kind of machine and one code, drawn again from git alone."""

import json
import re
import subprocess
import sys
from collections import defaultdict

import pandas as pd
import pytest

from anyslice.claims.claim import Claim
from anyslice.claims.errors import MeanGap
from anyslice.claims.judge import evaluate
from anyslice.claims.pages import cells
from anyslice.config.scale import load_scale
from anyslice.pipeline.pages import fill_pages
from anyslice.pipeline.published import read_rows

SCALE = "study"


@pytest.fixture(scope="module")
def metrics(root):
    """metrics.json of every training, by run and seed."""
    rows = read_rows(root / "published" / SCALE)
    return {(row["metrics"]["run"], row["metrics"]["seed"]): row["metrics"] for row in rows}


def test_every_seed_of_every_run_is_published(root, monkeypatch, metrics):
    monkeypatch.chdir(root)
    scale = load_scale(SCALE)
    assert metrics.keys() == {(run, seed) for run in scale.shown for seed in scale.seeds}


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
    assert released.keys() == {f"cifar10/{name}" for name in ("i-resnext", "is-resnext", "msdnet")}
    for run, folder in released.items():
        model = json.loads((folder / "model.json").read_text())
        training = metrics[run, model["training"]["seed"]]
        assert model["test_error"] == training["test_error_by_level"]


REDRAW = """
import sys
from anyslice.cli.main import main
main(["published", "draw", "--scale", "study", "--output", sys.argv[1]], standalone_mode=False)
assert "torch" not in sys.modules
"""


@pytest.mark.slow
def test_tables_are_redrawn_as_published_without_torch(root, tmp_path):
    """Figures, claims and report are made from published/ alone: no data, no weights."""
    subprocess.run([sys.executable, "-c", REDRAW, str(tmp_path)], cwd=root, check=True)
    published = root / "published" / SCALE
    for path in published.glob("*.csv"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
        if path.stem not in ("claims", "runs"):
            assert {f"{path.stem}.{end}" for end in ("pdf", "png")} <= {
                made.name for made in tmp_path.iterdir()
            }
    assert (tmp_path / "report.html").exists()


def test_the_tables_of_the_pages_are_the_published_ones(root, monkeypatch):
    monkeypatch.chdir(root)
    assert fill_pages(check=True) == []


@pytest.mark.parametrize("epochs", [3, 6])
@pytest.mark.parametrize("dataset", ["CIFAR-10", "CIFAR-100"])
def test_what_the_page_says_of_longer_training_was_measured(root, monkeypatch, dataset, epochs):
    """MSDNet's lead, in the data set's table and the column of so many epochs."""
    monkeypatch.chdir(root)
    scale = load_scale(SCALE)
    end = {3: "", 6: "-longer"}[epochs]
    figure = {"CIFAR-10": "fig4a", "CIFAR-100": "fig4b"}[dataset] + end
    tables = {figure: pd.read_csv(root / f"published/{SCALE}/{figure}.csv")}
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
