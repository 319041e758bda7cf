"""Intervals over seeds; comparisons of curves never leave the range where both are known."""

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyslice.analysis.statistics import (
    Curve,
    describe_interval,
    interval,
    largest_gap,
    largest_saving,
    t_interval,
)

curves = st.lists(
    st.tuples(st.integers(10**5, 10**9), st.floats(1, 90)),
    min_size=1,
    max_size=6,
    unique_by=lambda p: p[0],
).map(lambda points: Curve.of(*zip(*points, strict=True)))


def test_the_t_interval_of_three_seeds():
    """1, 2, 3: mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.3027 from a table."""
    low, high = t_interval([1, 2, 3])
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)


def test_one_value_has_no_interval():
    assert all(isnan(end) for end in t_interval([7.0]))


def test_bars_show_the_range_of_two_seeds_and_say_so():
    assert interval([3.0, 1.0]) == (1.0, 3.0)
    assert "their range" in describe_interval(2)
    assert "95 %" in describe_interval(5)
    assert interval([1, 2, 3]) == t_interval([1, 2, 3])


def test_a_curve_is_linear_in_the_logarithm_of_macs():
    curve = Curve.of([1e8, 1e6], [10, 20])
    assert curve.error_at(1e7) == pytest.approx(15)
    assert curve.macs_at(15) == pytest.approx(1e7)


@pytest.mark.parametrize("macs", [0.99e6, 1.01e8])
def test_no_error_is_known_beyond_the_ends(macs):
    assert Curve.of([1e6, 1e8], [20, 10]).error_at(macs) is None


@pytest.mark.parametrize("error", [9.9, 20.1])
def test_no_macs_are_known_for_an_error_that_the_curve_does_not_pass(error):
    assert Curve.of([1e6, 1e8], [20, 10]).macs_at(error) is None


def test_the_first_macs_that_reach_an_error_count():
    """The error rises again after the second point."""
    curve = Curve.of([1, 2, 3, 4], [40, 20, 30, 10])
    assert curve.macs_at(20) == pytest.approx(2)
    assert 3 < curve.macs_at(19) < 4


def test_half_the_macs_at_every_error_are_a_saving_of_half():
    errors = [30, 20, 10]
    ours, theirs = Curve.of([1, 2, 4], errors), Curve.of([2, 4, 8], errors)
    assert largest_saving(ours, theirs) == pytest.approx(50)
    assert largest_saving(theirs, ours) == pytest.approx(-100)


def test_curves_that_share_no_error_are_not_compared():
    assert largest_saving(Curve.of([1, 2], [40, 30]), Curve.of([1, 2], [20, 10])) is None


def test_the_largest_gap_lies_where_both_have_macs():
    """The shallow curve begins earlier, with a huge error that nobody else has MACs for."""
    thin, shallow = Curve.of([10, 100], [10, 5]), Curve.of([1, 10, 100], [90, 14, 6])
    assert largest_gap(thin, shallow) == pytest.approx(4)
    assert largest_gap(Curve.of([1], [5]), Curve.of([2], [9])) is None


@given(curves, curves)
def test_a_saving_is_between_the_extremes_of_what_was_measured(ours, theirs):
    """Nothing is extrapolated: no saving exceeds that of the cheapest against the dearest."""
    saving = largest_saving(ours, theirs)
    if saving is not None:
        assert saving <= 100 * (1 - ours.macs[0] / theirs.macs[-1]) + 1e-6


@given(curves, st.floats(0, 1))
def test_macs_at_and_error_at_are_inverse_where_a_curve_first_falls(curve, fraction):
    error = min(curve.errors) + fraction * (curve.errors[0] - min(curve.errors))
    macs = curve.macs_at(error)
    if macs is not None and curve.macs[0] <= macs <= curve.macs[-1]:
        assert curve.error_at(macs) == pytest.approx(error, abs=0.01)
