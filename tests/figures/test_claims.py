"""Every number of the paper is a claim, and every claim's measure gives the right answer.

The tables are made from results whose errors and MACs are formulas, so the answers are known.
"""

import math
import re

import pandas as pd
import pytest
from synthetic import write_results

from anyslice.analysis.tables import runs_table
from anyslice.claims import judge as module
from anyslice.claims.judge import NOT_MEASURABLE, Claim, evaluate, load_claims, read_tables
from anyslice.claims.measures import ErrorReduction, SubnetworkError
from anyslice.config.scale import load_scale
from anyslice.figures import KINDS
from anyslice.files import write_json

PAPER = [
    *[70, 12.9, 7.2, 81.7, 19.6],  # Section 4.1, BN
    *[19.9, 8.2, 1.2, 5.1, (4, 5), 48.4],  # Section 4.1, shallow and thin
    *[1.2, 0.5, 10.7, 5.8, 56.0, 48.7, 17.2, 12.1, 10, 43.3, 2],  # Section 4.2
    *[8, 8],  # K times
    *[31.2, 47.5, 52.5, 68.8],  # Section 4.3
    *[99, 8, 200, 183, 149, 80],  # Appendix A
]


def error(dataset: str, run: str, k: int, seed: int, level: int) -> float:
    """Errors of synthetic results; all networks move by the same factor with the seed."""
    errors = {
        "i-resnext-29": 10 - 0.5 * k,
        "i-resnext-29-shared-bn": 20 - k,
        "shallow-resnext-29": 30 - 2 * k,
        "i-resnext": 24 - 2 * k,
        "msdnet": 24 - 2 * k,
        "msdnet-15": 20,
        "is-resnext": 24 - 2 * k if dataset == "imagenet" else 11,
        "is-resnext-levels": 60 - 5 * k - 10 * (level - 1),
    }
    if run.startswith("resnext-29-c"):
        return 10 - 0.5 * int(run[-1]) - 0.1 * seed
    if run.startswith("shallow-resnext-29-k"):
        return 28 - 2 * int(run[-1]) - 0.1 * seed
    return errors.get(run, 6) - 0.1 * seed


def macs(run: str, network: object, k: int) -> float:
    """MACs of synthetic results: I-ResNeXt needs half of MSDNet's at the same k, and error."""
    base = {"msdnet": 2e7, "msdnet-15": 8e7 / 15, "resnext-65": 1.2e8}.get(run, 1e7)
    if run.startswith(("resnext-29-c", "shallow-resnext-29-k")):
        return base * int(run[-1])
    return 8e7 if run == "resnext-29" else base * k


@pytest.fixture(scope="module")
def paper(tmp_path_factory, request):
    """The paper scale with its tables."""
    root = request.config.rootpath
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        scale = load_scale("paper")
        results = tmp_path_factory.mktemp("results")
        write_results(scale, results, error, macs)
        tables = {
            name: KINDS[figure.kind][0](scale, figure, results)
            for name, figure in scale.figures.items()
            if figure.runs
        }
        tables["runs"] = runs_table(scale, scale.shown, results)
        yield scale, tables


@pytest.fixture(scope="module")
def judged(paper) -> pd.DataFrame:
    scale, tables = paper
    return evaluate(load_claims(), scale, tables).set_index("claim")


def test_every_number_of_the_paper_is_a_claim(root):
    values = [claim.value for claim in load_claims(root / "params/claims.yaml").values()]
    missing = list(PAPER)
    for value in values:
        if value in missing:
            missing.remove(value)
    assert missing == []


def test_every_claim_has_a_place_and_is_measured_or_says_why_not(judged):
    assert judged.place.str.contains("Section|Abstract|Appendix").all()
    assert (judged.measured.notna() | (judged.reason != "")).all()


MEAN_SEED = 0.1 * 3  # the mean of 0.1 * seed over the seeds 1 ... 5


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("shared-bn-thinnest", 19 - MEAN_SEED),
        ("independent-bn-thinnest", 9.5 - MEAN_SEED),
        ("independent-bn-full", 6 - MEAN_SEED),
        ("branches-of-i-resnext-fall", -1),
        ("shallowest-alone", 26 - MEAN_SEED),
        ("thin-loss", 0),
        ("shallow-loss", 8),  # k = 8: 14 joint, 6 alone, the full ResNeXt
        ("shallow-thin-gap", 16.5),  # at 1e7 MACs: 26 against 9.5
        ("thinnest-against-shallowest-macs", 0),
        ("resnext-65-flops", 1.26),
        ("i-resnext-competitive-flops", 0.525),
        ("cifar10-flops-saving", 50),
        ("cifar100-flops-saving", 50),
        ("imagenet-flops-saving", 50),
        ("cifar10-first-macs", 50),
        ("cub-fine-error", 55 - MEAN_SEED),
        ("cub-fine-accuracy", 45 + MEAN_SEED),
        ("cub-chosen-error", 35 - MEAN_SEED),
        ("cub-gain", 20),
        ("i-resnext-training-time", 8),
    ],
)
def test_a_measure_gives_the_known_answer(judged, claim, expected):
    assert judged.measured[claim] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("claim", "ours", "theirs"),
    [
        ("independent-bn-thinnest-gain", 9.5, 19),
        ("independent-bn-full-gain", 6, 12),
        ("thinnest-against-shallowest", 9.5, 28),
        ("cifar10-first-error", 11, 22),
        ("cifar10-full-error", 8, 20),  # msdnet-15: of the full MSDNets the nearest in MACs
    ],
)
def test_reductions_are_paired_by_seed(judged, claim, ours, theirs):
    by_seed = [float(value) for value in judged.by_seed[claim].split()]
    expected = [100 * (1 - (ours - 0.1 * s) / (theirs - 0.1 * s)) for s in range(1, 6)]
    assert by_seed == pytest.approx(expected, rel=1e-4)


def test_a_missing_figure_is_a_reason_not_an_error(judged):
    assert judged.verdict["nestednet-size"] == NOT_MEASURABLE
    assert "does not print" in judged.reason["nestednet-size"]


def test_no_ratio_of_losses_where_nothing_is_lost(judged):
    assert judged.verdict["shallow-thin-loss-ratio"] == NOT_MEASURABLE
    assert "no thin sub-network loses" in judged.reason["shallow-thin-loss-ratio"]


def test_a_claim_that_fails_is_shown_as_failing(paper, judged):
    scale, _ = paper
    assert judged.verdict["shared-bn-thinnest"] == "fails"
    assert judged.direction_holds["shared-bn-thinnest"] == "no"
    text = module.as_markdown(judged.reset_index(), scale)
    assert re.search(r"Failing: .*shared-bn-thinnest", text)


def claim_of(value: float, **direction: float) -> Claim:
    measure = SubnetworkError("error", "fig3a", "independent", "first")
    return Claim("Section 0", "an error", value, "%", 0.1, measure, **direction)


@pytest.mark.parametrize(
    ("value", "direction", "verdict", "agrees"),
    [
        (9.2, {}, "holds", "yes"),
        (5.0, {}, "fails", "no"),
        (9.2, {"above": 5}, "holds", "yes"),
        (12.0, {"above": 5}, "direction holds, value differs", "no"),
        (9.2, {"below": 5}, "fails", "no"),
    ],
)
def test_direction_and_value_are_judged_apart(paper, value, direction, verdict, agrees):
    """Measured: 9.4, 9.3, 9.2, 9.1, 9.0, so 9.2 with a half-width of 0.196."""
    scale, tables = paper
    row = evaluate({"it": claim_of(value, **direction)}, scale, tables).iloc[0]
    assert (row.verdict, row.value_agrees) == (verdict, agrees)
    assert (row.low, row.high) == pytest.approx((9.2 - 0.19632, 9.2 + 0.19632), abs=1e-4)
    assert row.seeds == 5


def test_values_are_not_compared_on_data_that_stands_in(root, paper, monkeypatch):
    monkeypatch.chdir(root)
    _, tables = paper
    quick = load_scale("quick")
    row = evaluate({"it": claim_of(9.2, above=5)}, quick, tables).iloc[0]
    assert (row.verdict, row.value_agrees) == ("holds", NOT_MEASURABLE)
    assert "stands in for CIFAR-10" in row.reason
    row = evaluate({"it": claim_of(9.2)}, quick, tables).iloc[0]
    assert row.verdict == NOT_MEASURABLE


def test_one_seed_has_no_interval(paper):
    scale, tables = paper
    measure = ErrorReduction("error-reduction", "fig3a", "independent", "shared", "first")
    claim = Claim("Section 0", "a gain", 50.0, "%", 0.1, measure, above=0)
    one = {"fig3a": tables["fig3a"][tables["fig3a"].seed == 1]}
    row = evaluate({"it": claim}, type(scale)(**(scale.__dict__ | {"seeds": (1,)})), one).iloc[0]
    assert math.isnan(row.low)
    assert row.direction_certain == "no"


def test_claims_are_read_back_from_the_tables_on_disk(paper, tmp_path):
    scale, tables = paper
    tables["fig3a"].to_csv(tmp_path / "fig3a.csv", index=False)
    assert set(read_tables(scale, tmp_path)) == {"fig3a"}


def test_the_taxonomys_numbers_are_counted(root, paper, tmp_path, monkeypatch):
    """A tree of three classes below two nodes; its levels have 3 and 2 labels."""
    monkeypatch.chdir(root)
    scale, _ = paper
    write_json(
        tmp_path / "taxonomy/cub.json",
        {
            "nodes": ["bird", "seabird", "a", "b", "c"],
            "classes": [{"name": name} for name in "abc"],
            "depth": 3,
            "levels": [{"names": ["a", "b", "c"]}, {"names": ["seabird", "c"]}],
        },
    )
    judged = evaluate(load_claims(), scale, read_tables(scale, tmp_path)).set_index("claim")
    names = ["cub-nodes", "cub-depth", "cub-level-1", "cub-level-2"]
    assert judged.measured[names].tolist() == [2, 3, 3, 2]
    assert set(judged.verdict[names]) == {"fails"}
    assert judged.reason["cub-level-3"] == "the taxonomy has no level 3"
