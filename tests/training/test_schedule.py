"""The learning rate of each step: the paper's steps, and a linear one for small budgets."""

from dataclasses import replace

import pytest

from anyslice.config.scale import load_scale
from anyslice.training.schedule import learning_rate

STEPS = 7
"""Of an epoch."""


@pytest.fixture
def paper(root):
    return load_scale("quick", root / "params").recipe


@pytest.fixture
def linear(paper):
    return replace(paper, schedule="linear", milestones=(), gamma=None, warmup=0.1, epochs=10)


def rates(recipe):
    return [learning_rate(recipe, step, STEPS) for step in range(recipe.epochs * STEPS)]


def by_epoch(recipe):
    """The rates of the epochs, each of which has one."""
    every = rates(recipe)
    epochs = [set(every[first : first + STEPS]) for first in range(0, len(every), STEPS)]
    assert all(len(epoch) == 1 for epoch in epochs)
    return [epoch.pop() for epoch in epochs]


def test_the_papers_rate_drops_at_half_and_three_quarters(paper):
    expected = [0.1] * 150 + [0.01] * 75 + [0.001] * 75
    assert by_epoch(replace(paper, epochs=300)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (1, [0.1]),
        (2, [0.1, 0.01]),
        (3, [0.1, 0.01, 0.001]),
        (4, [0.1, 0.1, 0.01, 0.001]),
        (5, [0.1, 0.1, 0.01, 0.01, 0.001]),
    ],
)
def test_no_phase_of_a_short_schedule_vanishes(paper, epochs, expected):
    assert by_epoch(replace(paper, epochs=epochs)) == pytest.approx(expected)


@pytest.mark.parametrize("milestones", [(), (0.5,), (0.01, 0.5), (0.98, 0.99), (0.2, 0.4, 0.6)])
def test_every_phase_has_an_epoch_in_every_training_that_a_scale_may_list(paper, milestones):
    for epochs in range(len(milestones) + 1, 40):
        short = replace(paper, milestones=milestones, epochs=epochs)
        assert not list(short.problems())
        phases = [0.1 * 0.1**drops for drops in range(len(milestones) + 1)]
        assert sorted(set(by_epoch(short)), reverse=True) == pytest.approx(phases)
        assert by_epoch(short) == sorted(by_epoch(short), reverse=True)


def test_linear_rises_for_the_warmup_and_falls_to_zero_after_the_last_step(linear):
    rising = [0.1 * (step + 1) / 7 for step in range(7)]
    falling = [0.1 * (70 - step) / 63 for step in range(7, 70)]
    assert rates(linear) == rising + falling
    assert max(rates(linear)) == linear.learning_rate


def test_linear_without_a_warmup_begins_at_the_highest_rate(linear):
    assert rates(replace(linear, warmup=0.0)) == [0.1 * (70 - step) / 70 for step in range(70)]


def test_the_papers_schedule_takes_a_warmup_too(paper):
    with_warmup = rates(replace(paper, epochs=10, warmup=0.1))
    assert with_warmup[:7] == [0.1 * (step + 1) / 7 for step in range(7)]
    assert with_warmup[7:] == rates(replace(paper, epochs=10))[7:]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"milestones": (0.5,)}, "milestones"),
        ({"schedule": "step", "milestones": (0.5,)}, "gamma"),
    ],
)
def test_milestones_and_gamma_belong_to_steps(linear, changes, key):
    assert [key for key, _ in replace(linear, **changes).problems()] == [key]
