"""Networks answer as in PyTorch, by every budget and every way; released ones as recorded."""

import json

import numpy as np
import pytest
import torch
from released import EVERY, MODELS
from scipy.stats import binom

from anyslice.config.dataset import load_description
from anyslice.export.folder import card
from anyslice.export.run_folder import load_run
from anyslice.networks.heads import levels
from anyslice.runtime.predictor import AnytimePredictor

every_model = pytest.mark.parametrize("name", EVERY)


class Reference:
    """What PyTorch says of some images: by its own softmax, and the steps of the calibration."""

    def __init__(self, run, model, images):
        with torch.inference_mode():
            found = run.network(torch.from_numpy(images))
        self.shares = [[of.softmax(1).double().numpy() for of in levels(k)] for k in found]
        self.model = model

    def right(self, k, d, row):
        calibration = self.model["calibration"][k - 1][d - 1]
        best = self.shares[k - 1][d - 1][row].max()
        passed = [
            share
            for start, share in zip(*calibration.values(), strict=True)
            if np.float32(start) <= np.float32(best)
        ]
        return passed[-1] if passed else 0.0

    def check(self, answers, k, d, macs):
        """That all answers are sub-network k's at level d."""
        for row, answer in enumerate(answers):
            self.check_one(answer, row, k, d, macs)

    def check_one(self, answer, row, k, d, macs):
        expected = self.shares[k - 1][d - 1][row]
        names = self.model["levels"][d - 1]["names"]
        assert (answer.subnetwork, answer.level, answer.macs) == (k, d, macs)
        assert answer.label == names[expected.argmax()]
        for name, share in zip(names, expected, strict=True):
            assert answer.probabilities[name] == pytest.approx(share, abs=1e-5)


@pytest.fixture(scope="module", params=["i-resnext", "levels"])
def case(request, exported):
    run, folder, _ = exported(request.param)
    predictor = AnytimePredictor(folder)
    format = predictor.model.images
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(24, format.channels, format.size, format.size, generator=generator).numpy()
    model = predictor.model.about
    return predictor, model, images, Reference(load_run(run), model, images)


@pytest.mark.slow
def test_each_budget_chooses_what_it_should(case):
    predictor, model, images, reference = case
    for k, macs in enumerate(model["macs"], start=1):
        reference.check(predictor.predict(images, subnetwork=k), k, 1, macs)
        reference.check(predictor.predict(images, macs=macs), k, 1, macs)
        reference.check(predictor.predict(images, macs=macs + 0.5), k, 1, macs)
        if k > 1:
            below = model["macs"][k - 2]
            reference.check(predictor.predict(images, macs=macs - 1), k - 1, 1, below)
        for accuracy in (0.2, *model["accuracy"][k - 1]):
            reached = [share >= accuracy for share in model["accuracy"][k - 1]]
            if True in reached:
                found = predictor.predict(images, subnetwork=k, accuracy=accuracy)
                reference.check(found, k, reached.index(True) + 1, macs)
    for step, answers in enumerate(predictor.refine(images), start=1):
        reference.check(answers, step, 1, model["cumulative_macs"][step - 1])
    K = len(model["macs"])
    reference.check(predictor.predict(images), K, 1, model["macs"][-1])
    reference.check(predictor.predict(images, milliseconds=1e6), K, 1, model["macs"][-1])
    reference.check(predictor.predict(images, deadline=1e6), K, 1, model["macs"][-1])


@pytest.mark.slow
@pytest.mark.parametrize("confidence", [0.3, 0.5, 0.7, 0.9, 0.99])
def test_each_way_to_a_confidence_gives_the_same_answers(case, confidence):
    predictor, model, images, reference = case
    K, shares = len(model["macs"]), model["interruptible"]
    tried = list(range(1, K + 1)) if shares else sorted({1, 2, K} | ({4} if K > 4 else set()))
    for way in ("steps", "outputs", "subnetworks") if shares else ("subnetworks",):
        found = predictor._until_sure(images, way, confidence, 0.0)
        for row, answer in enumerate(found):
            rights = {k: reference.right(k, 1, row) for k in tried}
            k = next((k for k in tried if rights[k] >= confidence), K)
            macs = {
                "steps": model["cumulative_macs"][k - 1],
                "outputs": model["cumulative_macs"][-1],
                "subnetworks": sum(model["macs"][j - 1] for j in tried if j <= k),
            }[way]
            reference.check_one(answer, row, k, 1, macs)
            assert answer.reached == (rights[k] >= confidence)
            assert answer.right == rights[k] < 1


@every_model
def test_graphs_name_nothing_of_their_making(folder_of, name):
    graphs = list(folder_of(name).glob("*.onnx"))
    assert graphs
    for graph in graphs:
        for word in (b"/torch", b".py", b"/home", b"site-packages", b"stack_trace"):
            assert word not in graph.read_bytes()


@every_model
def test_refining_ends_at_the_full_networks_answers(predictor_of, name):
    predictor = predictor_of(name)
    format = predictor.model.images
    torch.manual_seed(0)
    images = torch.randn(3, format.channels, format.size, format.size).numpy()
    for k, answers in enumerate(predictor.refine(images), start=1):
        shares = [answer.shares for answer in predictor.predict(images, subnetwork=k)]
        np.testing.assert_allclose([answer.shares for answer in answers], shares, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_recorded_test_errors_are_found_again(predictor_of, test_batch, name):
    """On all 2,000 test images, to the last digit."""
    predictor = predictor_of(name)
    images, truth = test_batch.images.numpy(), test_batch.labels.numpy()
    for k in range(1, predictor.K + 1):
        for d, logits in enumerate(predictor.logits(k, images)):
            labels = np.array(predictor.model.about["levels"][d]["labels"])
            error = 100 * np.mean(logits.argmax(1) != labels[truth])
            assert error == pytest.approx(predictor.model.test_error[k - 1][d], abs=1e-9)


@pytest.mark.filterwarnings("ignore:confidence")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("confidence", [0.5, 0.7, 0.9, 0.99])
def test_of_answers_said_to_be_right_so_often_at_least_as_many_are(
    predictor_of, test_batch, name, confidence
):
    """At each sub-network, on test images, but for what chance does once in a thousand."""
    predictor = predictor_of(name)
    answers = predictor.predict(test_batch.images.numpy(), confidence=confidence)
    names = predictor.classes[0]
    for k in range(1, predictor.K + 1):
        right = [
            answer.label == names[label]
            for answer, label in zip(answers, test_batch.labels.tolist(), strict=True)
            if answer.subnetwork == k and answer.reached
        ]
        if right:
            assert binom.cdf(sum(right), len(right), confidence) > 0.001, (k, len(right))


@every_model
def test_the_card_is_what_an_export_writes(folder_of, name, root, monkeypatch):
    monkeypatch.chdir(root)
    model = json.loads((folder_of(name) / "model.json").read_text())
    data = load_description(model["training"]["dataset"])
    assert (folder_of(name) / "README.md").read_text() == card(model, data)


def test_the_cards_python_runs(folder_of, tmp_path, monkeypatch, photo):
    text = (folder_of("is-resnext") / "README.md").read_text()
    for path in folder_of("is-resnext").iterdir():
        (tmp_path / path.name).symlink_to(path)
    photo.rename(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    code = text.partition("```python\n")[2].partition("```")[0]
    exec(compile(code, "README.md", "exec"), {})


def test_all_models_take_at_most_8_megabytes(root):
    assert sum(path.stat().st_size for path in (root / "models").rglob("*.*")) <= 8e6
