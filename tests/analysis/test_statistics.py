"""Intervals over seeds; comparisons of curves never leave the range where both are known."""

from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from anyslice.analysis.statistics import (
    Curve,
    Estimate,
    describe_interval,
    estimate,
    estimate_saving,
    gap_growth,
    gaps,
    holm,
    interval,
    largest_lead,
    largest_saving,
    mean_errors,
    mean_gap,
    smallest,
    t_interval,
    two_way,
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
    assert curve.cost_at(15) == pytest.approx(1e7)


@pytest.mark.parametrize("macs", [0.99e6, 1.01e8])
def test_no_error_is_known_beyond_the_ends(macs):
    assert Curve.of([1e6, 1e8], [20, 10]).error_at(macs) is None


@pytest.mark.parametrize("error", [9.9, 20.1])
def test_no_cost_is_known_for_an_error_that_the_curve_does_not_pass(error):
    assert Curve.of([1e6, 1e8], [20, 10]).cost_at(error) is None


def test_the_first_cost_that_reaches_an_error_count():
    """The error rises again after the second point."""
    curve = Curve.of([1, 2, 3, 4], [40, 20, 30, 10])
    assert curve.cost_at(20) == pytest.approx(2)
    assert 3 < curve.cost_at(19) < 4


def test_half_the_cost_at_every_error_are_a_saving_of_half():
    errors = [30, 20, 10]
    ours, theirs = Curve.of([1, 2, 4], errors), Curve.of([2, 4, 8], errors)
    assert largest_saving(ours, theirs) == pytest.approx(50)
    assert largest_saving(theirs, ours) == pytest.approx(-100)


def test_curves_that_share_no_error_are_not_compared():
    assert largest_saving(Curve.of([1, 2], [40, 30]), Curve.of([1, 2], [20, 10])) is None


def test_gaps_lie_where_both_curves_have_networks():
    """The shallow curve begins earlier, with a huge error that nobody else has the cost for."""
    thin, shallow = Curve.of([10, 100], [10, 5]), Curve.of([1, 10, 100], [90, 14, 6])
    assert gaps(thin, shallow) == ((10, 100), pytest.approx((4, 1)))
    assert gaps(Curve.of([1], [5]), Curve.of([2], [9])) == ((), ())


def test_the_mean_gap_is_an_average_over_the_logarithm_of_cost():
    ours, theirs = Curve.of([1, 100], [10, 10]), Curve.of([1, 10, 1000], [14, 12, 12])
    assert mean_gap(ours, theirs) == pytest.approx((3 + 2) / 2)  # decades 1-10 and 10-100
    assert gap_growth(ours, theirs) == pytest.approx(3 - 2)
    assert gap_growth(theirs, ours) == pytest.approx(-1)


def test_curves_that_share_no_cost_have_no_mean_gap():
    assert mean_gap(Curve.of([1], [5]), Curve.of([2], [9])) is None
    assert mean_gap(Curve.of([1, 2], [5, 4]), Curve.of([2, 3], [9, 8])) == 5  # at one cost
    assert gap_growth(Curve.of([1, 2], [5, 4]), Curve.of([2, 3], [9, 8])) is None


def test_of_a_mean_the_jackknife_gives_students_interval():
    values = {1: 3.0, 2: 1.0, 3: 2.5, 4: 7.0}
    found = estimate(lambda seeds: sum(values[s] for s in seeds) / len(seeds), (1, 2, 3, 4))
    assert (found.low, found.high) == pytest.approx(t_interval(list(values.values())))
    assert found.value - found.half == pytest.approx(found.low)


def test_the_interval_of_a_largest_value_allows_for_its_bias():
    """Two means that swap: with seeds 1 and 2 the largest is 2, with either of them alone 4."""
    profiles = {1: np.array([4.0, 0.0]), 2: np.array([0.0, 4.0])}
    found = estimate(lambda seeds: float(np.mean([profiles[s] for s in seeds], 0).max()), (1, 2))
    assert (found.value, found.half, found.low, found.high) == (2, 0, 0, 2)


def test_the_smallest_of_several_means_is_below_a_bound_only_by_more_than_chance():
    """Its low end is that of Student's interval; the high one is Bonferroni's, of two means."""
    rows = {1: [1.0, 5.0], 2: [2.0, 5.5], 3: [3.0, 6.0]}
    found = smallest(
        [
            estimate(lambda some: np.mean([rows[s][0] for s in some]), (1, 2, 3)),
            estimate(lambda some: np.mean([rows[s][1] for s in some]), (1, 2, 3)),
        ]
    )
    assert (found.value, found.low) == pytest.approx((2, t_interval([1, 2, 3])[0]))
    assert found.high == pytest.approx(2 + 6.2053 / 3**0.5, abs=1e-4)  # t(0.9875, 2)


def test_one_seed_gives_a_value_and_no_interval():
    three, four = (estimate(lambda _, value=value: value, (1,)) for value in (3.0, 4.0))
    for found in (three, smallest([four, three]), two_way(3.0, np.array([[1.0], [4.0]]))):
        assert found.value == 3
        assert all(isnan(end) for end in (found.low, found.high, found.half))


@given(curves, curves, st.floats(0.01, 2))
def test_a_curve_leads_only_where_it_saves(ours, theirs, factor):
    """Of curves that fall: a dip between two larger errors is interpolated differently by both."""
    ours, theirs = (Curve.of(c.costs, np.minimum.accumulate(c.errors)) for c in (ours, theirs))
    saving = largest_saving(ours, theirs)
    end = theirs.costs[theirs.errors.index(min(theirs.errors))]
    if saving is None or ours.costs[0] / factor > end:
        return
    if largest_lead(ours, theirs, factor, end) > 1e-6:
        assert saving > 100 * (1 - factor) - 1e-3


def test_a_lead_is_known_where_a_curve_saves_half():
    ours, theirs = Curve.of([1, 2, 4], [30, 20, 10]), Curve.of([2, 4, 8], [30, 20, 10])
    assert largest_lead(ours, theirs, 0.5, 8) == pytest.approx(0)
    assert largest_lead(ours, theirs, 1, 8) == pytest.approx(10)
    assert largest_lead(ours, theirs, 0.25, 8) == pytest.approx(-10)


def test_the_interval_of_a_saving_has_it_and_is_none_without_noise():
    errors = [30, 20, 10]
    pair = Curve.of([1, 2, 4], errors), Curve.of([2, 4, 8], errors)
    found = estimate_saving(lambda _: pair, (1, 2, 3))
    assert (found.low, found.value, found.high) == pytest.approx((50, 50, 50), abs=0.01)
    assert found.half == pytest.approx(0)
    assert isnan(estimate_saving(lambda _: pair, (1,)).low)


@given(curves, curves)
def test_a_saving_is_between_the_extremes_of_what_was_measured(ours, theirs):
    """Nothing is extrapolated: no saving exceeds that of the cheapest against the dearest."""
    saving = largest_saving(ours, theirs)
    if saving is not None:
        assert saving <= 100 * (1 - ours.costs[0] / theirs.costs[-1]) + 1e-6


@given(curves, st.floats(0, 1))
def test_cost_at_and_error_at_are_inverse_where_a_curve_first_falls(curve, fraction):
    error = min(curve.errors) + fraction * (curve.errors[0] - min(curve.errors))
    cost = curve.cost_at(error)
    if cost is not None and curve.costs[0] <= cost <= curve.costs[-1]:
        assert curve.error_at(cost) == pytest.approx(error, abs=0.01)


errors_by_seed = st.lists(st.floats(10, 90), min_size=5, max_size=5)


@given(errors_by_seed, errors_by_seed)
def test_of_two_networks_the_two_way_interval_is_the_paired_t_interval(ours, theirs):
    gaps_by_seed = np.subtract(theirs, ours)
    found = two_way(float(gaps_by_seed.mean()), np.array([ours, theirs]))
    assert (found.low, found.high) == pytest.approx(t_interval(gaps_by_seed), abs=1e-9)


def test_the_two_way_interval_of_three_networks_and_two_seeds():
    """Residuals are 1/3, 1/3, -2/3 and their negatives: 4/3 in all, over 2 degrees of freedom.

    So the variance is 2/3, that of a gap 2/3 times 2 over 2 seeds, and t(0.975, 2) = 4.3027.
    """
    found = two_way(2.0, np.array([[10.0, 10.0], [12.0, 12.0], [15.0, 13.0]]))
    assert (found.half, found.df) == (pytest.approx(4.3027 * (2 / 3) ** 0.5, abs=1e-4), 2)
    assert (found.low, found.high) == pytest.approx((2 - found.half, 2 + found.half))


@given(st.lists(st.lists(st.floats(10, 90), min_size=5, max_size=5), min_size=3, max_size=3))
def test_what_all_networks_have_of_a_seed_is_no_noise_of_a_gap(errors):
    shifted = np.array(errors) + np.array([0, 3, -1, 7, 2])
    assert two_way(0, shifted).half == pytest.approx(two_way(0, np.array(errors)).half, abs=1e-6)


def test_mean_errors_are_over_the_costs_that_all_reach():
    """Over costs 2 to 4: from 20 to 10, from 30 to 20, and at 9 throughout."""
    curves_of_three = [
        Curve.of([1, 2, 4], [50, 20, 10]),
        Curve.of([2, 4, 8], [30, 20, 0]),
        Curve.of([1, 16], [9, 9]),
    ]
    assert mean_errors(curves_of_three) == pytest.approx([15, 25, 9])
    with pytest.raises(ValueError, match="share no cost"):
        mean_errors([Curve.of([1, 2], [5, 4]), Curve.of([3], [4])])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_keeps_the_order_and_lowers_no_p_value(p):
    adjusted = holm(p)
    assert all(alone <= both <= 1 for alone, both in zip(p, adjusted, strict=True))
    assert np.array(adjusted)[np.argsort(p)].tolist() == sorted(adjusted)
    assert min(adjusted) == pytest.approx(min(1, len(p) * min(p)))


def test_holm_of_three():
    """0.01 times 3, 0.02 times 2, and 0.03, which may not fall below the 0.04 before it."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@given(st.floats(-3, 3), st.floats(0.01, 3), st.integers(1, 20))
def test_two_one_sided_tests_agree_with_the_90_percent_interval(value, half, df):
    """Duality: both reject at 5 % exactly if that interval lies within the margins."""
    found = Estimate(value, value - half, value + half, half, df)
    ninety = half * stats.t.ppf(0.95, df) / stats.t.ppf(0.975, df)
    inside = -1.2 < value - ninety and value + ninety < 1.2
    p = found.p_within(-1.2, 1.2) / 2
    assert abs(p - 0.05) < 1e-9 or (p < 0.05) == inside


@given(st.floats(-3, 3), st.floats(0.01, 3), st.integers(1, 20))
def test_a_p_value_is_below_5_percent_where_the_interval_excludes_the_bound(value, half, df):
    found = Estimate(value, value - half, value + half, half, df)
    for p, distance in (
        (found.p_within(0, inf), found.low),
        (found.p_beyond(0, inf), -found.high),
    ):
        assert abs(p - 0.05) < 1e-9 or (p < 0.05) == (distance > 0)


def test_a_p_value_is_students():
    """1, 2, 3 against 0: t = 2 times the root of 3, and p = 0.0742 of 2 degrees of freedom."""
    found = estimate(lambda some: sum(some) / len(some), (1, 2, 3))
    assert found.p_within(0, inf) == pytest.approx(stats.ttest_1samp([1, 2, 3], 0).pvalue)
    assert found.p_within(0, inf) == pytest.approx(0.0742, abs=1e-4)
