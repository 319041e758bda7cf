"""Every number of the paper is a claim, and every claim's measure gives the right answer.

The tables are made from results whose errors and MACs are formulas, so the answers are known.
"""

import dataclasses
import math
import re

import pandas as pd
import pytest
from markupsafe import escape
from synthetic import write_results

from anyslice.analysis.tables import runs_table
from anyslice.claims.claim import Claim, load_claims
from anyslice.claims.errors import ErrorReduction, SubnetworkError
from anyslice.claims.judge import evaluate, read_tables
from anyslice.claims.pages import cells, opening, sentence, summary, write_markdown
from anyslice.claims.report import what_was_run, write_report
from anyslice.claims.verdict import Outcome, number, read_verdicts, write_verdicts
from anyslice.config.checked_yaml import ParameterError
from anyslice.config.scale import load_scale
from anyslice.errors import AnysliceError
from anyslice.figures import KINDS
from anyslice.files import write_json
from anyslice.taxonomy.levels import choose_levels
from anyslice.taxonomy.record import Taxonomy, write_taxonomy
from anyslice.taxonomy.tree import grow

PAPER = [
    *[70, 12.9, 7.2, 81.7, 19.6],  # Section 4.1, BN
    *[19.9, 8.2, 1.2, 5.1, (4, 5), 48.4],  # Section 4.1, shallow and thin
    *[1.2, 10.7, 5.8, 56.0, 48.7, 17.2, 12.1, 10, 43.3, 2],  # Section 4.2
    *[8, 8, 8, 8],  # K times, in passes and in MACs
    *[31.2, 47.5, 52.5, 68.8],  # Section 4.3
    *[20, 99, 8, 200, 183, 149, 80],  # Appendix A
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
def judged(paper):
    """The verdict on each claim by its name."""
    scale, tables = paper
    return {verdict.claim: verdict for verdict in evaluate(load_claims(), scale, tables)}


def test_every_number_of_the_paper_is_a_claim(root):
    values = [claim.value for claim in load_claims(root / "params/claims.yaml").values()]
    missing = list(PAPER)
    for value in values:
        if value in missing:
            missing.remove(value)
    assert missing == []


def test_every_claim_has_a_place_and_is_measured_or_says_why_not(judged):
    for verdict in judged.values():
        assert re.search("Section|Abstract|Appendix", verdict.place)
        assert not math.isnan(verdict.measured) or verdict.reason


MEAN_SEED = 0.1 * 3  # the mean of 0.1 * seed over the seeds 1 ... 5


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("shared-bn-thinnest", 19 - MEAN_SEED),
        ("independent-bn-thinnest", 9.5 - MEAN_SEED),
        ("independent-bn-full", 6 - MEAN_SEED),
        ("independent-bn-better", 6),  # at k = 8: 12 against 6
        ("independent-bn-parameters", 25),
        ("head-parameters", 20),
        ("branches-of-i-resnext-fall", 100 * 7 / 4.5),  # from 8 to 1, the mean is 4.5
        ("shallowest-alone", 26 - MEAN_SEED),
        ("thin-loss", 0),
        ("shallow-loss", 8),  # k = 8: 14 joint, 6 alone, the full ResNeXt
        ("shallow-thin-gap", 16.5),  # at 1e7 MACs: 26 against 9.5
        ("thin-better-than-shallow", 8),  # at 8e7 MACs: 14 against 6
        ("thinnest-against-shallowest-flops", 0),
        ("resnext-65-flops", 1.26),
        ("cifar10-resnext-65-best", 6),  # of 1.2e8 MACs only MSDNet has a network: 12 against 6
        ("cifar10-i-resnext-competitive", 16 - 2 * math.log(50 / 42, 1.25) - 6),
        ("cifar10-flops-saving", 50),
        ("cifar100-flops-saving", 50),
        ("imagenet-flops-saving", 50),
        ("imagenet-full-alike", 0),
        ("cifar10-first-flops", 50),
        ("cub-fine-error", 55 - MEAN_SEED),
        ("cub-fine-accuracy", 45 + MEAN_SEED),
        ("cub-chosen-error", 35 - MEAN_SEED),
        ("cub-gain", 20),
        ("cub-levels-hold", 5),  # k = 1 at level 3: 35, the full network on fine labels 30
        ("cub-fine-labels-harder", 10),
        ("cub-larger-better", 25),
        ("cifar100-levels-do-not-degrade", 42.5 - 11),
        ("i-resnext-training-passes", 8),
        ("i-resnext-training-macs", 36 / 8),
        ("is-resnext-training-macs", 36 / 8),
        ("i-resnext-training-wall-time", 8),
    ],
)
def test_a_measure_gives_the_known_answer(judged, claim, expected):
    assert judged[claim].measured == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("claim", "ours", "theirs"),
    [
        ("independent-bn-thinnest-gain", 9.5, 19),
        ("independent-bn-full-gain", 6, 12),
        ("thinnest-against-shallowest", 9.5, 28),
        ("cifar10-first-error", 11, 22),
        ("cifar10-full-error", 8, 20),  # msdnet-15: of the full MSDNets the nearest in cost
    ],
)
def test_a_reduction_is_that_of_the_mean_errors(judged, claim, ours, theirs):
    expected = 100 * (1 - (ours - MEAN_SEED) / (theirs - MEAN_SEED))
    assert judged[claim].measured == pytest.approx(expected)
    assert judged[claim].judged == pytest.approx(theirs - ours)
    by_seed = [float(value) for value in judged[claim].by_seed.split()]
    expected = [100 * (1 - (ours - 0.1 * s) / (theirs - 0.1 * s)) for s in range(1, 6)]
    assert by_seed == pytest.approx(expected, rel=1e-4)


def test_the_mean_gap_at_equal_cost_decides_whether_flops_are_saved(judged):
    verdict = judged["cifar10-flops-saving"]
    assert (verdict.verdict, verdict.value) == (Outcome.LARGER, Outcome.DIFFERS)
    assert "mean error gap" in verdict.judged_by
    # On 2e7 ... 8e7 MACs, where MSDNet needs twice the cost: 2 points times k at I-ResNeXt's k.
    assert 2 < verdict.judged < 8


def test_macs_stand_beside_what_the_authors_count(judged):
    assert judged["resnext-65-flops"].measured == pytest.approx(1.26)
    assert judged["resnext-65-flops"].in_macs == "1.2 1e8"
    assert judged["cifar10-flops-saving"].in_macs == "50 %"


def test_a_missing_figure_is_a_reason_not_an_error(judged):
    assert judged["nestednet-size"].verdict == Outcome.NOT_MEASURABLE
    assert "does not print" in judged["nestednet-size"].reason


def test_a_direction_is_judged_though_its_value_is_not_measurable(judged):
    verdict = judged["shallow-thin-loss-ratio"]
    assert math.isnan(verdict.measured)
    assert "no thin sub-network loses" in verdict.reason
    assert (verdict.verdict, verdict.value) == (Outcome.HOLDS, "")
    assert verdict.judged == pytest.approx(2.75)  # k = 1 ... 8 lose 2, but 8 at k = 8


def test_wall_times_are_information(judged):
    assert judged["i-resnext-training-wall-time"].verdict == Outcome.INFORMATION
    assert judged["i-resnext-training-passes"].value == Outcome.AGREES
    assert judged["i-resnext-training-macs"].value == Outcome.DIFFERS


def test_a_claim_that_is_contradicted_is_shown_as_such(paper, judged, tmp_path):
    scale, _ = paper
    assert judged["shared-bn-thinnest"].verdict == Outcome.CONTRADICTED
    write_markdown(list(judged.values()), scale, tmp_path / "claims.md")
    text = (tmp_path / "claims.md").read_text()
    assert f"{judged['shared-bn-thinnest'].says} Direction contradicted" in text
    row = next(line for line in text.splitlines() if line.startswith("| shared-bn-thinnest"))
    assert "18.70 [18.50, 18.90] %" in row


def test_the_report_has_each_figure_with_its_claims_below_it(paper, judged, tmp_path):
    scale, tables = paper
    png = tmp_path / "any.png"
    png.write_bytes(b"a picture")
    pictures = dict.fromkeys([*scale.figures, "taxonomy-cub"], png)
    write_report(scale, list(judged.values()), tables["runs"], pictures, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text()
    summed, *sections = html.split("<section")[1:]
    assert escape(opening(list(judged.values()), scale)) in summed
    assert summed.count("<img") == 1  # Figure 4a
    assert "a CPU &lt;of one thread&gt;" in summed
    for name, section in zip(scale.figures, sections, strict=False):
        assert f'id="{name}"' in section
        assert section.count("<img") == 1
        rest_on_it = [verdict for verdict in judged.values() if verdict.figure == name]
        assert section.count("<li") == len(rest_on_it)
        for verdict in rest_on_it:
            assert str(escape(sentence(verdict))) in section
    assert f"<td>{judged['cub-nodes'].paper}" in html
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=.?https?:", html)


def test_verdicts_are_read_back_as_they_were_written(judged, tmp_path):
    verdicts = list(judged.values())
    write_verdicts(verdicts, tmp_path / "claims.csv")
    again = read_verdicts(tmp_path / "claims.csv")
    assert [cells(verdict) for verdict in again] == [cells(verdict) for verdict in verdicts]


@pytest.mark.parametrize(
    ("measured", "shown"),
    [
        ((4.1263, 1.569, 6.683), "4.1 [1.6, 6.7] %"),
        ((-0.03059, -8.977, 8.905), "0.0 [-9.0, 8.9] %"),
        ((0.28765, 0.2861, 0.2892), "0.2877 [0.2861, 0.2892] %"),
        ((1234.6, 1100.0, 1369.2), "1235 [1100, 1369] %"),
        ((4.30912, math.nan, math.nan), "4.309 %"),
        ((8.0, 8.0, 8.0), "8 %"),
        ((math.nan, math.nan, math.nan), ""),
    ],
)
def test_a_number_has_no_more_decimals_than_its_interval_bears(measured, shown):
    assert number(*measured, "%") == shown


def claim_of(value: float | None, **direction: float) -> Claim:
    measure = SubnetworkError("error", "fig3a", "independent", "first")
    return Claim("Section 0", "an error", measure, value, "%", 0.1, **direction)


@pytest.mark.parametrize(
    ("value", "direction", "verdict", "agrees"),
    [
        (9.2, {}, Outcome.AGREES, Outcome.AGREES),
        (9.45, {}, Outcome.AGREES, Outcome.AGREES),  # within 0.196 times the root of 2
        (9.5, {}, Outcome.DIFFERS, Outcome.DIFFERS),
        (9.2, {"above": 5}, Outcome.HOLDS, Outcome.AGREES),
        (9.2, {"above": 9.1}, Outcome.UNDECIDED, Outcome.AGREES),
        (9.2, {"above": 9.3}, Outcome.UNDECIDED, Outcome.AGREES),
        (12.0, {"above": 5}, Outcome.HOLDS, Outcome.DIFFERS),
        (9.2, {"below": 5}, Outcome.CONTRADICTED, Outcome.AGREES),
        (9.2, {"above": 9, "below": 10}, Outcome.HOLDS, Outcome.AGREES),
        (9.2, {"above": 9.3, "below": 9.35}, Outcome.NOT_DECIDABLE, Outcome.AGREES),
        (9.2, {"above": 9.5, "below": 10}, Outcome.CONTRADICTED, Outcome.AGREES),
    ],
)
def test_direction_and_value_are_judged_apart(paper, value, direction, verdict, agrees):
    """Measured: 9.4, 9.3, 9.2, 9.1, 9.0, so 9.2 with a half-width of 0.196."""
    scale, tables = paper
    needed = {"fig3a": tables["fig3a"]}
    (found,) = evaluate({"it": claim_of(value, **direction)}, scale, needed)
    assert (found.verdict, found.value) == (verdict, agrees)
    assert (found.low, found.high) == pytest.approx((9.2 - 0.19632, 9.2 + 0.19632), abs=1e-4)
    assert found.seeds == 5


def test_values_are_not_compared_on_data_that_stands_in(root, paper, monkeypatch):
    monkeypatch.chdir(root)
    _, tables = paper
    quick = load_scale("quick")
    (found,) = evaluate({"it": claim_of(9.2, above=5)}, quick, tables)
    assert (found.direction, found.value) == (Outcome.HOLDS, Outcome.NOT_COMPARED)
    assert "Fashion-MNIST stands in for CIFAR-10" in found.reason
    (found,) = evaluate({"it": claim_of(9.2)}, quick, tables)
    assert found.verdict == Outcome.NOT_COMPARED
    bound = dataclasses.replace(claim_of(5.0, above=5), bound=True)
    (found,) = evaluate({"it": bound}, quick, tables)
    assert found.verdict == Outcome.NOT_COMPARED


def test_values_are_not_compared_where_the_setting_is_not_the_papers(root, paper, monkeypatch):
    """The data are CIFAR-10's, but a recipe or network is another."""
    monkeypatch.chdir(root)
    scale, tables = paper
    other = dataclasses.replace(scale, paper_setting=False)
    (found,) = evaluate({"it": claim_of(9.2, above=5)}, other, tables)
    assert (found.verdict, found.value) == (Outcome.HOLDS, Outcome.NOT_COMPARED)
    assert "recipes" in found.reason


def test_one_seed_decides_nothing_but_what_is_counted(paper):
    scale, tables = paper
    measure = ErrorReduction("error-reduction", "fig3a", "independent", "shared", "first")
    claims = {
        "it": Claim("Section 0", "a gain", measure, 50.0, "%", 0.1, above=0),
        "passes": load_claims()["i-resnext-training-passes"],
    }
    one = {name: table[table.seed == 1] for name, table in tables.items()}
    gain, passes = evaluate(claims, dataclasses.replace(scale, seeds=(1,)), one)
    assert math.isnan(gain.low)
    assert (gain.verdict, gain.value) == (Outcome.UNDECIDED, Outcome.NOT_COMPARED)
    assert "one seed" in gain.reason
    assert (passes.verdict, passes.value) == (Outcome.COUNTED, Outcome.AGREES)


def test_a_seed_whose_curves_share_no_error_does_not_void_a_claim(paper):
    """With seed 3 MSDNet errs 40 points more, at any cost; the mean curves still share errors."""
    scale, tables = paper
    table = tables["fig4a"].copy()
    table.loc[(table.role == "msdnet") & (table.seed == 3), "error"] += 40
    claims = {"it": load_claims()["cifar10-flops-saving"]}
    (found,) = evaluate(claims, scale, tables | {"fig4a": table})
    assert found.by_seed.split()[2] == "-"
    assert found.measured > 50
    assert found.judged > 8


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        ({"value": 3}, "`value` and `precision` go together"),
        ({"value": 3, "precision": 1, "above": 2, "bound": True}, "a bound is"),
        ({"measure": {"kind": "full-network-better", "figure": "fig5a"}}, "either"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(tmp_path, claim, rule):
    measure = {"kind": "worst-case-gain", "figure": "fig5a"}
    whole = {"place": "Section 0", "quantity": "a number", "measure": measure} | claim
    write_json(tmp_path / "claims.yaml", {"claims": {"it": whole}})  # JSON is YAML
    with pytest.raises(ParameterError, match=f"claims.it.*{rule}"):
        load_claims(tmp_path / "claims.yaml")


def test_a_summary_counts_each_claim_once(paper, judged):
    scale, _ = paper
    said = summary(list(judged.values()), scale)
    counted = [int(n) for n in re.findall(r": (\d+)(?=[,.])", said.splitlines()[0])]
    assert f"{len(judged)} claims" in said
    assert sum(counted) == len(judged)


def test_a_summary_says_claims_in_sentences_and_those_of_the_abstract_first(paper, judged):
    scale, _ = paper
    _, _, *lines = summary(list(judged.values()), scale).splitlines()
    from_abstract = [v for v in judged.values() if v.test and v.place.startswith("Abstract")]
    assert {line.split(". ")[0][2:] + "." for line in lines[: len(from_abstract)]} == {
        verdict.says for verdict in from_abstract
    }
    assert not any(verdict.claim in line for verdict in judged.values() for line in lines)


def test_the_table_of_machines_has_the_epochs_of_each_group(paper):
    _, tables = paper
    runs = tables["runs"].copy()
    runs.loc[runs.run == "msdnet", "epochs"] = 6
    table = what_was_run(runs[runs.dataset == "cifar10"])
    assert sorted(table.epochs) == [6, 300]
    assert table.trainings.sum() == (runs.dataset == "cifar10").sum()


def test_claims_are_read_back_from_the_tables_on_disk(paper, tmp_path):
    _, tables = paper
    tables["fig3a"].to_csv(tmp_path / "fig3a.csv", index=False)
    found = read_tables([tmp_path / "fig3a.csv"])
    assert set(found) == {"fig3a"}
    pd.testing.assert_frame_equal(found["fig3a"], tables["fig3a"])


def test_a_file_that_is_no_table_is_named(tmp_path):
    path = tmp_path / "fig3a.csv"
    for content in (b"", b"one\nfirst\nsecond, third\n", b"\xff\xfe,\x00\n"):
        path.write_bytes(content)
        with pytest.raises(AnysliceError, match=r"fig3a\.csv is no table of a figure"):
            read_tables([path])


def test_the_taxonomys_numbers_are_counted(root, paper, tmp_path, monkeypatch):
    """A tree of three classes below two nodes; its levels have 3 and 2 labels."""
    monkeypatch.chdir(root)
    scale, _ = paper
    path = tmp_path / "cub.json"
    tree = grow({"a": ["bird", "seabird"], "b": ["bird", "seabird"], "c": ["bird"]})
    levels = choose_levels(tree, 2)
    write_taxonomy(Taxonomy("cub", "a test", tree, dict.fromkeys("abc", "by hand"), levels), path)
    found = evaluate(load_claims(), scale, read_tables([path]))
    by_name = {verdict.claim: verdict for verdict in found}
    counted = [by_name[name] for name in ("cub-nodes", "cub-depth", "cub-level-1", "cub-level-2")]
    assert [verdict.measured for verdict in counted] == [2, 3, 3, 2]
    assert {verdict.verdict for verdict in counted} == {Outcome.DIFFERS}
    assert by_name["cub-level-3"].reason == "the taxonomy has no level 3"
