"""Deadlines are met by what this machine takes now, learned from the calls themselves."""

import os
import random

import pytest

from anyslice.runtime.times import MARGIN, Times, Ways

MACS = (1_000_000, 2_000_000, 4_000_000)


def noted(times, images, milliseconds, calls=1):
    for _ in range(calls):
        for k, took in enumerate(milliseconds, start=1):
            times.note(images, k, took)


def test_a_call_that_knows_nothing_of_so_many_images_is_answered_by_the_thinnest_unmeasured(
    predictor_of, images, monkeypatch
):
    predictor = predictor_of("is-resnext")

    def measure(*arguments, **options):
        raise AssertionError("a call with a deadline measures nothing")

    monkeypatch.setattr(predictor, "_measured", measure)
    for some in (images[:1], images[:2], images[:5]):
        answers = predictor.predict(some, deadline=10_000)
        assert {a.subnetwork for a in answers} == {1}
        assert answers[0].late == 0


def test_a_call_with_a_deadline_loads_no_graph(predictor_of, images):
    """It would take far longer than the answer; a forked process has those it loaded."""
    predictor = predictor_of("msdnet")
    predictor.predict(images, deadline=10_000)
    del predictor._graphs[os.getpid(), "subnetwork-4.onnx"]
    assert predictor.predict(images, deadline=10_000)[0].subnetwork == 3


def test_without_being_prepared_larger_ones_answer_once_the_thinnest_has(predictor_of, images):
    predictor = predictor_of("is-resnext")
    found = [predictor.predict(images[:1], deadline=10_000)[0].subnetwork for _ in range(2)]
    assert found == [1, 4]


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_what_would_miss_the_deadline_is_not_begun(predictor_of, images, name):
    predictor = predictor_of(name)
    predictor.prepare(len(images))
    for k in (3, 4):
        predictor._times.set(len(images), k, 1e6)
    assert predictor.predict(images, deadline=10_000)[0].subnetwork == 2


def test_a_deadline_that_cannot_be_met_gets_the_thinnest_and_says_how_late_it_was(
    predictor_of, images
):
    (answer, *_) = predictor_of("i-resnext").predict(images, deadline=0.001)
    assert answer.subnetwork == 1
    assert answer.late == pytest.approx(answer.milliseconds - 0.001)


def test_an_expected_time_is_the_median_of_the_calls():
    times, draw = Times(MACS), random.Random(0)
    for _ in range(300):
        times.note(1, 1, draw.choices([1.0, 1.1, 9.0], [45, 45, 10])[0])
    assert times.expected(1, 1) == pytest.approx(1.05, rel=0.1)


@pytest.mark.parametrize("factor", [3, 1 / 3])
def test_times_follow_the_machine_up_and_down(factor):
    """Also those of sub-networks that are not used."""
    times = Times(MACS)
    noted(times, 1, [1.0, 2.0, 4.0], calls=3)
    for _ in range(60):
        times.note(1, 1, factor)
    assert times.expected(1, 1) == pytest.approx(factor, rel=0.05)
    slower = times.expected(1, 3) / 4
    assert slower > 1.5 if factor > 1 else slower < 0.7


def test_one_long_call_changes_little():
    times = Times(MACS)
    noted(times, 1, [1.0, 2.0, 4.0], calls=3)
    times.note(1, 2, 500.0)
    assert times.expected(1, 2) < 2 * MARGIN
    assert times.expected(1, 3) < 4 * MARGIN


def test_fewer_images_are_expected_to_take_no_longer_than_more():
    times = Times(MACS)
    assert times.expected(1, 1) is None
    noted(times, 8, [8.0, 16.0, 32.0])
    assert times.expected(3, 2) == 16.0
    assert times.expected(9, 2) is None


def test_what_was_never_used_is_expected_to_take_as_much_more_as_its_multiply_adds():
    times = Times(MACS)
    times.note(1, 1, 1.0)
    assert [times.expected(1, k) for k in (1, 2, 3)] == [1.0, 2.0, 4.0]


def test_of_several_ways_the_least_is_used_once_each_was_tried():
    ways, cost = Ways(("steps", "outputs")), {"steps": 2.0, "outputs": 1.0}
    used = []
    for _ in range(60):
        used.append(ways.least())
        ways.note(used[-1], cost[used[-1]])
    assert used.count("steps") == Ways.TRIALS
    cost["outputs"] = 5.0  # other work came in between
    for _ in range(30):
        used.append(ways.least())
        ways.note(used[-1], cost[used[-1]])
    assert used[-1] == "steps"
