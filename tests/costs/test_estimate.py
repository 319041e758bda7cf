"""Hours of training from some steps on the device at hand."""

import pytest
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.config.dataset import load_description
from anyslice.config.scale import load_scale
from anyslice.costs.estimate import estimate_run


@pytest.fixture(autouse=True)
def in_the_repository(root, monkeypatch):
    monkeypatch.chdir(root)


def test_hours_are_all_epochs_at_the_measured_speed():
    scale = load_scale("quick")
    found = estimate_run(scale, "fashion-mnist-quick/i-resnext", steps=2)
    images = load_description("fashion-mnist-quick").counts.train
    epochs = scale.run("fashion-mnist-quick/i-resnext").recipe.epochs
    assert found.hours * 3600 * found.images_per_second == pytest.approx(epochs * images)
    assert 0 < found.gigabytes < 24


@pytest.mark.slow
def test_the_table_has_a_row_for_each_run_and_their_sum():
    said = CliRunner().invoke(main, ["estimate", "fig3a", "--steps", "1"], catch_exceptions=False)
    rows = [line.split("|") for line in said.output.splitlines() if line.startswith("| ")]
    names = [row[1].strip() for row in rows[1:]]
    figure = load_scale("quick").figure("fig3a")
    assert names == [*(f"{figure.dataset}/{run}" for run in figure.runs), "all"]
    seeds = len(load_scale("quick").seeds)
    *runs, total = rows[1:]
    assert float(total[4]) == pytest.approx(sum(float(r[4]) for r in runs), abs=0.11)
    assert float(total[5]) == pytest.approx(seeds * float(total[4]), abs=0.11)


def test_a_scale_without_figures_has_nothing_to_estimate():
    said = CliRunner().invoke(main, ["estimate", "--scale", "tests/scales/short.yaml"])
    assert said.exit_code == 1
    assert "short.yaml: no figure shows a run that is trained" in said.output
