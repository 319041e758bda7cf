"""Whether a finished training is what the scale asks for, by its own metrics.json."""

import shutil
from pathlib import Path

import pytest

from anyslice.config.scale import load_scale
from anyslice.files import read_json, write_json
from anyslice.jobs.inputs import TrainingFolders
from anyslice.jobs.interrupt import Interrupts
from anyslice.jobs.train import run_training
from anyslice.pipeline.audit import outdated_trainings, reasons_to_train


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("parameters", {}, "parameters"),
        ("code_sha256", {"networks/old.py": "0"}, "code (networks/old.py)"),
        ("data_manifest_sha256", "0", "data"),
    ],
)
def test_a_training_by_other_code_parameters_or_data_is_found(trained, key, value, what):
    scale, metrics = trained
    assert list(outdated_trainings(scale)) == []
    write_json(metrics, read_json(metrics) | {key: value})
    (found,) = outdated_trainings(scale)
    assert (found.path, found.reason) == (str(metrics), f"was trained with other {what}")
    # Code is reported, and no reason to train again.
    reasons = [] if key == "code_sha256" else [f"other {what}"]
    assert reasons_to_train(scale, "fashion-mnist-short/is-resnext", 1) == reasons


@pytest.fixture(scope="module")
def finished(tmp_path_factory, root, data) -> Path:
    """A folder with one real training."""
    folder = tmp_path_factory.mktemp("finished")
    scale = load_scale(str(root / "tests/scales/short.yaml"))
    run = "fashion-mnist-short/is-resnext"
    output = folder / "results" / scale.name / "runs" / run / "seed1"
    run_training(scale, run, 1, TrainingFolders(output, folder / "work", data), Interrupts())
    shutil.copytree(data, folder / "data/fashion-mnist-short")
    return folder


@pytest.fixture
def trained(finished, folder, root):
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    scale = load_scale(str(root / "tests/scales/short.yaml"))
    output = Path("results") / scale.name / "runs/fashion-mnist-short/is-resnext/seed1"
    return scale, output / "metrics.json"


def test_a_key_that_did_not_exist_yet_had_its_default(trained):
    scale, metrics = trained
    found = read_json(metrics)
    for recipe, reasons in (({"warmup": 0.5}, ["other parameters"]), ({}, [])):
        kept = {k: v for k, v in found["parameters"]["recipe"].items() if k != "warmup"}
        parameters = found["parameters"] | {"recipe": kept | recipe}
        write_json(metrics, found | {"parameters": parameters})
        assert reasons_to_train(scale, "fashion-mnist-short/is-resnext", 1) == reasons
