"""dvc.yaml says what the Snakefile says."""

import contextlib
from pathlib import Path

import pytest
import yaml

from anyslice.config.scale import Scale, load_scale
from anyslice.pipeline.dvc_stages import dvc_yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def text() -> str:
    with contextlib.chdir(ROOT):
        return dvc_yaml("quick")


@pytest.fixture(scope="module")
def stages(text) -> dict:
    return yaml.safe_load(text)["stages"]


@pytest.fixture(scope="module")
def scale() -> Scale:
    with contextlib.chdir(ROOT):
        return load_scale("quick")


def paths(stage: dict, *keys: str) -> set[str]:
    """Paths below a stage's keys, without DVC's settings of them."""
    entries = [entry for key in keys for entry in stage.get(key, [])]
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def test_the_committed_file_is_up_to_date(text):
    assert (ROOT / "dvc.yaml").read_text() == text


def test_its_first_line_names_the_scale(text):
    assert text.startswith("# For the scale quick:")


def test_every_figure_is_a_stage_of_its_own_name(stages, scale):
    for figure in [*scale.figures, "fig1", "fig2"]:
        assert f"results/{figure}.pdf" in paths(stages[figure], "outs")


def test_every_run_is_a_stage_with_all_its_seeds(stages, scale):
    for run in scale.shown:
        metrics = {f"results/quick/runs/{run}/seed{s}/metrics.json" for s in scale.seeds}
        assert metrics <= paths(stages[run.replace("/", "-")], "outs")


def test_every_data_set_is_tracked_whole(stages, scale):
    for dataset in scale.datasets:
        assert stages[f"data-{dataset}"]["outs"] == [f"data/{dataset}"]


def test_every_dependency_is_made_by_a_stage_or_is_in_the_repository(stages):
    made = set().union(*(paths(stage, "outs", "metrics") for stage in stages.values()))
    for stage in stages.values():
        for path in paths(stage, "deps"):
            above = {str(parent) for parent in Path(path).parents}
            assert path in made or above & made or (ROOT / path).exists(), path


def test_weights_and_pictures_are_cached_and_numbers_are_in_git(stages):
    run = stages["fashion-mnist-quick-i-resnext"]["outs"]
    folder = "results/quick/runs/fashion-mnist-quick/i-resnext/seed1"
    assert f"{folder}/model.safetensors" in run
    assert {f"{folder}/metrics.json": {"cache": False}} in run
    assert "results/fig4a.pdf" in stages["fig4a"]["outs"]
    assert {"results/fig4a.csv": {"cache": False}} in stages["fig4a"]["outs"]


def test_a_run_depends_on_its_own_parameters_only(stages):
    run = "datasets.fashion-mnist-quick.runs.resnet-8"
    (keys,) = stages["fashion-mnist-quick-resnet-8"]["params"]
    assert keys == {"params/quick.yaml": [f"{run}.network", "recipe", "seeds"]}


def test_the_report_depends_on_all_that_the_scale_says(stages):
    (keys,) = stages["report"]["params"]
    said = yaml.safe_load((ROOT / "params/quick.yaml").read_text())
    assert keys == {"params/quick.yaml": sorted(said)}
