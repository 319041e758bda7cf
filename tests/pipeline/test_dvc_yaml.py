"""dvc.yaml has the runs, seeds and figures of the quick scale."""

from pathlib import Path

import pytest
import yaml

from anyslice.config.scale import Scale, load_scale


@pytest.fixture(autouse=True)
def folder(root, monkeypatch):
    monkeypatch.chdir(root)


@pytest.fixture
def scale() -> Scale:
    return load_scale("quick")


@pytest.fixture
def content() -> dict:
    return yaml.safe_load(Path("dvc.yaml").read_text())


def test_every_run_is_a_stage_with_all_its_seeds(content, scale):
    for dataset, runs in scale.datasets.items():
        groups = [content["stages"].get(name) for name in (dataset, f"{dataset}-levels")]
        found = [group for group in groups if group]
        assert {run for group in found for run in group["foreach"]} == runs.runs.keys()
        for group in found:
            for seed in scale.seeds:
                assert f"/seed{seed}/metrics.json" in group["do"]["cmd"]
                outs = [*group["do"]["outs"], *group["do"]["metrics"]]
                assert sum(f"/seed{seed}/" in out for out in outs) == len(outs) / len(scale.seeds)


def test_every_figure_is_a_stage_that_depends_on_the_runs_it_shows(content, scale):
    prefixes = content["vars"][0]
    for name, figure in scale.figures.items():
        stage = content["stages"][name]
        assert stage["params"] == [
            {"params/quick.yaml": ["description", "seeds", f"figures.{name}"]}
        ]
        runs = {f"results/quick/runs/{run}" for run in figure.full_names}
        deps = stage["deps"]
        for short, prefix in prefixes.items():
            deps = [dep.replace(f"${{{short}}}", prefix) for dep in deps]
        assert set(deps) == runs | {f"results/quick/flops/{figure.dataset}"}


def test_every_data_set_is_a_stage(content, scale):
    assert set(content["stages"]["data"]["foreach"]) == scale.datasets.keys()
    assert content["stages"]["flops"]["foreach"].keys() == scale.datasets.keys()
