"""The draw of the validation images."""

import hashlib

import pytest

from anyslice.datasets.splits import draw


def test_the_draw_of_cifar10_is_pinned():
    drawn = draw(50_000, 5_000, seed=2018)
    digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
    assert digest == "e56673d9b53fb81bb43eb9bd1a849a997808a4f2c77f5a2e0f4541a548af9a44"


def test_it_holds_out_as_many_as_asked_from_everywhere():
    drawn = draw(10_000, 1_000, seed=1)
    assert len(set(drawn)) == 1_000
    assert drawn == sorted(drawn)
    for start in range(0, 10_000, 2_500):
        assert 200 < sum(start <= index < start + 2_500 for index in drawn) < 300


def test_another_seed_draws_others():
    assert draw(1_000, 100, seed=1) != draw(1_000, 100, seed=2)


def test_it_cannot_hold_out_everything():
    with pytest.raises(ValueError, match="cannot hold out 10 of 10"):
        draw(10, 10, seed=1)
