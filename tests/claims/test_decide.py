"""Directions are decided by all tests together: the primary contrasts, and all others."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyslice.analysis.statistics import Estimate, two_way
from anyslice.claims.claim import Claim, load_claims
from anyslice.claims.decide import gap_is, secondary
from anyslice.claims.errors import MeanGap
from anyslice.claims.judge import evaluate
from anyslice.claims.verdict import Outcome
from anyslice.config.scale import load_scale

NETWORKS = ("i-resnext", "is-resnext", "msdnet")

FIRST_STUDY = {
    # Mean errors of NETWORKS by seed, over the FLOPs that all three reach, after 3 and 6 epochs.
    ("cifar10", 3): (
        (33.3843, 35.1517, 34.4276, 34.4002, 35.2859),
        (35.1974, 35.2403, 37.0146, 34.5301, 36.3250),
        (34.9939, 35.8192, 36.6785, 34.9970, 34.0243),
    ),
    ("cifar10", 6): (
        (25.4437, 27.7085, 25.5558, 26.4969, 25.7975),
        (28.2902, 26.3858, 28.3463, 26.5225, 27.7413),
        (27.6542, 27.8672, 28.2301, 27.6416, 26.3988),
    ),
    ("cifar100", 3): (
        (78.0522, 77.3091, 78.0600, 79.5744, 78.6077),
        (79.1822, 77.8766, 79.1237, 78.3302, 78.1826),
        (76.2653, 73.9157, 76.1370, 76.1567, 76.9948),
    ),
    ("cifar100", 6): (
        (62.3620, 62.8802, 63.2400, 65.3915, 62.7909),
        (65.8526, 63.2100, 64.8726, 64.1478, 64.9468),
        (63.1403, 61.4412, 62.6015, 62.5273, 64.2548),
    ),
}


@pytest.mark.parametrize(
    ("study", "half"),
    list(zip(FIRST_STUDY, (1.23, 1.45, 1.02, 1.56), strict=True)),
)
def test_half_widths_of_the_first_study(study, half):
    """As computed by a program of its own, from the same errors."""
    found = two_way(0, np.array(FIRST_STUDY[study]))
    assert (round(found.half, 2), found.df) == (half, 8)


def judged(dataset: str, errors: np.ndarray) -> dict[str, tuple[str, str]]:
    """The verdict and the direction of each primary claim; curves are flat at the errors."""
    figure = {"cifar10": "fig4a", "cifar100": "fig4b"}[dataset]
    table = pd.DataFrame(
        {
            "role": role,
            "family": role,
            "K": 2,
            "seed": seed + 1,
            "subnetwork": k,
            "all_ops": k * 1e6,
            "macs": k * 1e6,
            "error": error,
        }
        for role, by_seed in zip(NETWORKS, errors, strict=True)
        for seed, error in enumerate(by_seed)
        for k in (1, 2)
    )
    claims = {
        name: claim
        for name, claim in load_claims().items()
        if claim.primary and claim.measure.figure == figure
    }
    scale = replace(load_scale("study"), seeds=tuple(range(1, np.shape(errors)[1] + 1)))
    verdicts = evaluate(claims, scale, {figure: table})
    assert {verdict.test for verdict in verdicts} == {"primary"}
    return {
        verdict.claim.removeprefix(f"{dataset}-"): (verdict.verdict, verdict.direction)
        for verdict in verdicts
    }


def test_each_data_set_has_three_primary_claims(root):
    claims = [c for c in load_claims(root / "params/claims.yaml").values() if c.primary]
    assert sorted(claim.measure.figure for claim in claims) == ["fig4a"] * 3 + ["fig4b"] * 3


def test_primary_verdicts_of_the_first_study(root, monkeypatch):
    monkeypatch.chdir(root)
    assert judged("cifar10", np.array(FIRST_STUDY["cifar10", 3])) == {
        "flops-saving": (Outcome.UNDECIDED, Outcome.UNDECIDED),
        "is-resnext-against-msdnet": (Outcome.UNDECIDED, Outcome.UNDECIDED),
        # A window of 1.2 points cannot hold an interval of 2.5.
        "is-resnext-slightly-worse": (Outcome.NOT_DECIDABLE, Outcome.NOT_DECIDABLE),
    }
    assert judged("cifar100", np.array(FIRST_STUDY["cifar100", 3])) == {
        "flops-saving": (Outcome.SMALLER, Outcome.CONTRADICTED),
        "is-resnext-against-msdnet": (Outcome.SMALLER, Outcome.CONTRADICTED),
        "is-resnext-slightly-worse": (Outcome.EQUAL, Outcome.NOT_DECIDABLE),
    }


NOISE = 0.1 * np.array([[1, -1, 0, 1, -1], [-1, 0, 1, 1, -1], [0, 1, -1, -1, 1]])


@pytest.mark.parametrize(
    ("means", "against_msdnet", "slightly_worse"),
    [
        ((20, 20.7, 23), ("larger", "holds"), ("larger, equal within 1.2 points", "holds")),
        ((20, 22, 20), ("equal within 1.2 points", "contradicted"), ("larger", "contradicted")),
        (
            (20, 18, 20.5),
            ("larger, equal within 1.2 points", "undecided"),
            ("smaller", "contradicted"),
        ),
    ],
)
def test_what_a_primary_gap_says_of_the_paper(
    root, monkeypatch, means, against_msdnet, slightly_worse
):
    """Errors of I-ResNeXt, IS-ResNeXt and MSDNet, with little noise."""
    monkeypatch.chdir(root)
    found = judged("cifar10", np.reshape(means, (3, 1)) + NOISE)
    assert found["flops-saving"] == against_msdnet
    assert found["is-resnext-slightly-worse"] == slightly_worse


def test_networks_that_share_costs_only_two_by_two_are_judged_in_pairs(root, monkeypatch):
    """MSDNet ends before IS-ResNeXt begins; I-ResNeXt shares costs with both."""
    monkeypatch.chdir(root)
    table = pd.DataFrame(
        {"role": role, "family": role, "K": 2, "seed": seed, "subnetwork": k + 1}
        | {"all_ops": costs[k], "macs": costs[k], "error": 20 + lead + 0.1 * (seed == 1)}
        for role, costs, lead in (
            ("i-resnext", (1e6, 4e6), 0),
            ("is-resnext", (3e6, 5e6), 0.5),
            ("msdnet", (1e6, 2e6), 3),
        )
        for seed in (1, 2, 3)
        for k in (0, 1)
    )
    names = ("cifar10-flops-saving", "cifar10-is-resnext-slightly-worse")
    claims = {name: load_claims()[name] for name in names}
    found = evaluate(claims, replace(load_scale("study"), seeds=(1, 2, 3)), {"fig4a": table})
    assert [verdict.judged for verdict in found] == pytest.approx([3, 0.5])
    assert [verdict.direction for verdict in found] == [Outcome.HOLDS, Outcome.HOLDS]


@given(st.floats(-3, 3), st.floats(0.01, 3))
def test_a_gap_is_never_larger_and_smaller_and_turns_with_its_networks(value, half):
    gap = Estimate(value, value - half, value + half, half, 8)
    p = min(gap.p_within(0, inf), gap.p_within(-inf, 0))
    turned = {Outcome.LARGER: Outcome.SMALLER, Outcome.SMALLER: Outcome.LARGER}
    assert [turned.get(word, word) for word in gap_is(gap, p)] == gap_is(-gap, p)


def of_p(*ends: float) -> dict[str, tuple]:
    """Claims that a number is above 0, whose intervals begin at `ends` and are 2 wide."""
    claim = Claim("Section 0", "a gap", MeanGap("mean-gap", "fig4a", "a", "b"), above=0)
    return {str(n): (claim, [Estimate(low + 1, low, low + 2, 1, 4)]) for n, low in enumerate(ends)}


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=8))
def test_adjusted_p_values_are_no_smaller_and_keep_their_order(ends):
    found = sorted(secondary(of_p(*ends)).values(), key=lambda decision: decision.p)
    adjusted = [decision.p_adjusted for decision in found]
    assert all(d.p <= d.p_adjusted + 1e-12 for d in found)
    assert adjusted == sorted(adjusted)
    assert all((d.direction in ("holds", "contradicted")) == (d.p_adjusted <= 0.05) for d in found)


def test_an_interval_that_excludes_the_bound_decides_nothing_among_many_tests():
    """p = 0.048 alone; with two others that show nothing it is 0.14."""
    alone, *_ = secondary(of_p(0.01)).values()
    assert (alone.direction, alone.p) == (Outcome.HOLDS, pytest.approx(0.048, abs=0.002))
    among, *_ = secondary(of_p(0.01, -1, -0.9)).values()
    assert among.p_adjusted == pytest.approx(3 * alone.p)
    assert among.direction == Outcome.UNDECIDED


def test_one_seed_has_no_p_value():
    ((claim, _),) = of_p(0).values()
    (found,) = secondary({"it": (claim, [Estimate(3, nan, nan, nan)])}).values()
    assert (found.direction, np.isnan(found.p_adjusted)) == (Outcome.UNDECIDED, True)
