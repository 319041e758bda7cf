"""A finished training says all that its use on new images needs."""

import json

import pytest
import torch

from anyslice.files import sha256
from anyslice.jobs.deployment import calibration_of
from anyslice.jobs.interrupt import Interrupts
from anyslice.jobs.train import run_training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "levels"), [("is-resnext", [10]), ("i-resnext", [10]), ("hierarchical", [10, 3])]
)
def test_a_run_folder_describes_its_images_labels_costs_and_calibration(
    short, folders, name, levels
):
    run_training(short, f"fashion-mnist-short/{name}", 1, folders, Interrupts())
    metrics = json.loads((folders.output / "metrics.json").read_text())
    found = metrics["deployment"]
    K = len(metrics["test_error"])
    assert metrics["weights_sha256"] == sha256(folders.output / "model.safetensors")
    assert [len(level["names"]) for level in found["levels"]] == levels
    assert found["levels"][0]["names"][0] == "T-shirt/top"
    assert found["images"] == {
        "storage": "tensor",
        "size": 16,
        "channels": 1,
        "mean": [0.2202],
        "std": [0.3148],
        "pad": 2,
        "shrink": 2,
    }
    assert len(found["macs"]) == len(found["cumulative_macs"]) == K
    assert [len(of_k) for of_k in found["calibration"]] == [len(levels)] * K


def test_calibration_is_the_share_of_right_answers_where_confidence_tells_nothing():
    confidence = torch.linspace(0.1, 0.9, 100)
    right = torch.arange(100) % 4 != 3  # the first are right: no rising function does better
    found = calibration_of(confidence, right)
    assert found.accuracies[0] <= 0.75
    assert found.accuracies[-1] == pytest.approx(76 / 102, abs=1e-6)
    assert list(found.accuracies) == sorted(found.accuracies)
    assert list(found.confidences) == sorted(found.confidences)


def test_calibration_finds_the_confidence_from_which_answers_are_right():
    confidence = torch.linspace(0, 1, 101)
    found = calibration_of(confidence.flip(0), confidence.flip(0) >= 0.6)
    assert found.confidences == (0.0, 0.6)
    assert found.accuracies == (0.0, pytest.approx(42 / 43, abs=1e-6))  # 41 of 41 were right


def test_no_answers_are_right_for_certain_however_many_were():
    found = calibration_of(torch.full((9,), 0.8), torch.ones(9, dtype=torch.bool))
    assert found.accuracies == (pytest.approx(10 / 11, abs=1e-6),)
