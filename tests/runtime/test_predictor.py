"""A budget in, the best answer out."""

import re
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from anyslice.errors import AnysliceError
from anyslice.runtime import AnytimePredictor, BudgetError, ImageError
from anyslice.runtime.budget import largest_within
from anyslice.runtime.predictor import LARGEST_BATCH


@pytest.fixture
def with_times(predictor_of):
    """A predictor that takes its sub-networks to need so many milliseconds each."""

    def make(name, milliseconds, images=5):
        predictor = predictor_of(name)
        predictor.prepare(images)
        for k, of_k in enumerate(milliseconds, start=1):
            predictor._times.set(images, k, of_k)
        return predictor

    return make


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_refining_computes_nothing_before_it_is_asked_for(predictor_of, images, monkeypatch, name):
    predictor = predictor_of(name)
    used, graph = [], predictor._graph
    monkeypatch.setattr(predictor, "_graph", lambda name: used.append(name) or graph(name))
    refined = predictor.refine(images)
    assert not used
    next(refined)
    assert all(name.endswith("-1.onnx") for name in used)


def test_refining_counts_the_networks_time_and_not_the_callers(predictor_of, images):
    predictor = predictor_of("is-resnext")
    begin = time.perf_counter()
    found = []
    for answers in predictor.refine(images):
        found.append(answers[0].milliseconds)
        time.sleep(0.1)
    whole = 1e3 * (time.perf_counter() - begin)
    assert all(before < after for before, after in pairwise(found))
    assert found[-1] <= whole - 400


def test_two_refinements_in_turns_do_not_disturb_each_other(predictor_of, images):
    predictor = predictor_of("is-resnext")
    expected = [[s[0].probability for s in predictor.refine(i)] for i in (images[:1], images[1:2])]
    turns = zip(predictor.refine(images[:1]), predictor.refine(images[1:2]), strict=True)
    found = [(one[0].probability, other[0].probability) for one, other in turns]
    assert found == list(zip(*expected, strict=True))


@pytest.mark.parametrize(("budget", "expected"), [(1, 1), (2.5, 2), (4, 4), (100, 4)])
def test_milliseconds_choose_by_the_times_of_this_machine(with_times, images, budget, expected):
    predictor = with_times("i-resnext", [1, 2, 3, 4])
    assert predictor.predict(images, milliseconds=budget)[0].subnetwork == expected


def test_a_budget_below_the_thinnest_is_an_error_that_names_it(with_times, images):
    predictor = with_times("i-resnext", [1, 2, 3, 4])
    least = predictor.model.macs[0]
    with pytest.raises(BudgetError, match=f"the least is {least} multiply-adds, of sub-network 1"):
        predictor.predict(images, macs=least - 1)
    with pytest.raises(BudgetError, match=r"0\.5 ms are too few: the least is 1 ms"):
        predictor.predict(images, milliseconds=0.5)


def test_an_answer_shows_its_probabilities_the_most_probable_first(predictor_of, images):
    (answer,) = predictor_of("i-resnext").predict(images[:1])
    shares = list(answer.probabilities.values())
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert next(iter(answer.probabilities)) == answer.label
    assert answer.as_dict()["probabilities"] == answer.probabilities


@pytest.mark.filterwarnings("ignore:confidence")
def test_no_answer_is_right_for_certain(predictor_of, test_batch):
    for answer in predictor_of("is-resnext").predict(test_batch.images, confidence=1.0):
        assert answer.reached is False
        assert answer.right < 1


def test_a_confidence_that_costs_as_much_as_the_full_network_is_said(predictor_of, images):
    predictor = predictor_of("is-resnext")
    predictor.prepare(len(images))
    for k in range(1, 5):
        predictor._times.set(len(images), k, 1e-3)  # as if the full network took no time
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(30):
            predictor.predict(images, confidence=0.9)
    (message,) = [str(warning.message) for warning in said]
    assert "no less time here than the full network" in message


def test_accuracy_without_a_budget_takes_the_smallest_subnetwork_that_reaches_it(
    predictor_of, images
):
    predictor = predictor_of("is-resnext")
    for k, (share,) in enumerate(predictor.model.accuracy, start=1):
        smaller = [share for (share,) in predictor.model.accuracy[: k - 1]]
        if share > max(smaller, default=0):
            assert predictor.predict(images, accuracy=share)[0].subnetwork == k


@pytest.mark.slow
def test_an_accuracy_that_nothing_reaches_is_an_error(exported, images):
    predictor = AnytimePredictor(exported("levels")[1])
    with pytest.raises(BudgetError, match=r"sub-network 1 is at most .*% accurate \(level 2\)"):
        predictor.predict(images, subnetwork=1, accuracy=1.0)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"macs": 1e6, "deadline": 3}, "one budget, not macs and deadline"),
        ({"macs": 0}, "macs=0: a budget is more than 0"),
        ({"deadline": -1}, "deadline=-1: a budget is more than 0"),
        ({"macs": "5"}, "macs='5': a number is needed"),
        ({"milliseconds": [5]}, r"milliseconds=\[5\]: a number is needed"),
        ({"confidence": "0.9"}, "confidence='0.9': a number is needed"),
        ({"accuracy": True}, "accuracy=True: a number is needed"),
        ({"subnetwork": 1.0}, "subnetwork=1.0: a whole number is needed"),
        ({"milliseconds": float("nan")}, "milliseconds=nan"),
        ({"confidence": 90}, r"confidence=90 must be in 0 \.\.\. 1"),
        ({"accuracy": 0}, "accuracy=0 must be in"),
        ({"confidence": 0.5, "accuracy": 0.5}, "accuracy goes with .*, not with confidence"),
        ({"subnetwork": 5}, r"no sub-network 5: k must be in 1 \.\.\. 4"),
    ],
)
def test_budgets_that_cannot_be_are_refused(predictor_of, images, budget, message):
    with pytest.raises(ValueError, match=message):
        predictor_of("i-resnext").predict(images, **budget)


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_more_images_than_one_call_takes_get_the_same_answers(predictor_of, test_batch, name):
    predictor = predictor_of(name)
    many = test_batch.images[: 2 * LARGEST_BATCH + 6].numpy()
    expected = [predictor.predict(many[i : i + 1])[0].label for i in range(len(many))]
    assert [a.label for a in predictor.predict(many)] == expected
    *_, last = predictor.refine(many)
    assert [a.label for a in last] == expected


def test_with_confidence_an_images_time_counts_from_the_call(predictor_of, test_batch):
    images = test_batch.images[: 2 * LARGEST_BATCH].numpy()
    answers = predictor_of("is-resnext").predict(images, confidence=0.5)
    first, second = answers[:LARGEST_BATCH], answers[LARGEST_BATCH:]
    assert max(a.milliseconds for a in first) < min(a.milliseconds for a in second)


def test_predictions_do_not_depend_on_pictures_being_files(predictor_of, photo, sources):
    predictor = predictor_of("is-resnext")
    expected = predictor.predict(sources[0])[0].probabilities
    for picture in (photo, str(photo), photo.read_bytes(), photo.open("rb"), Image.open(photo)):
        assert predictor.predict(picture)[0].probabilities == pytest.approx(expected)
    batch = np.repeat(sources[:1, ..., None], 3, axis=-1)
    assert predictor.predict(batch)[0].probabilities == pytest.approx(expected)
    with pytest.raises(ImageError):
        predictor.predict(photo.parent)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"providers": ["gpu"]}, "provider=gpu: ONNX Runtime has .*CPUExecutionProvider"),
        ({"threads": 0}, "threads=0: 1 to"),
        ({"threads": 100_000}, "can be used on this machine"),
    ],
)
def test_what_is_not_there_is_refused(folder_of, choice, message):
    with pytest.raises(AnysliceError, match=message):
        AnytimePredictor(folder_of("i-resnext"), **choice)


@pytest.mark.parametrize("least", [2138432, 0.344743512, 31.41592, 1.0])
def test_the_least_budget_that_is_named_is_enough(least):
    with pytest.raises(BudgetError, match="the least is") as error:
        largest_within([least], least / 2, "units")
    named = re.search(r"the least is (\S+)", str(error.value))[1]
    assert least <= float(named) < 1.002 * least
    assert largest_within([least], float(named), "units") == 1
