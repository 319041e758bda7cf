"""Every kind of figure: what its face says, that it can be printed, and its table."""

import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from click.testing import CliRunner
from pypdf import PdfReader
from synthetic import write_results

from anyslice.analysis.tables import budget_table, choose_levels
from anyslice.cli.main import main
from anyslice.config.checked_yaml import ParameterError
from anyslice.config.scale import load_scale
from anyslice.figures import SEEN, budget, draw_figure, face_of

FIGURES = ["fig3a", "fig3b", "fig3c", "fig4a", "fig5a", "properties"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, request):
    """One figure of each kind, of the quick scale, from synthetic results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(request.config.rootpath)
        scale = load_scale("quick")
        results = tmp_path_factory.mktemp("results")
        write_results(
            scale,
            results,
            errors=lambda dataset, run, k, seed, level: 40 - 3 * k - 5 * level + seed,
            macs=lambda run, network, k: 1e6 * k,
        )
        for name in FIGURES:
            draw_figure(scale, name, results)
        yield results


@pytest.mark.parametrize("name", FIGURES)
def test_the_face_says_what_is_shown(drawn, name):
    text = PdfReader(drawn / f"{name}.pdf").pages[0].extract_text().replace("\n", " ")
    number = name.replace("fig", "Figure ") if name.startswith("fig") else "Properties"
    role = "CIFAR-100" if name == "fig5a" else "CIFAR-10"
    for part in (
        f"{number}: Fashion-MNIST",
        f"(stands in for {role})",
        "scale quick",
        "mean of 2 seeds, bars: their range",
        "MACs: multiply-adds of convolutions and linear layers",
    ):
        assert part in text


def test_released_weights_are_said_to_have_seen_our_validation_images(root, monkeypatch):
    monkeypatch.chdir(root)
    scale = load_scale("paper")
    assert [name for name in scale.figures if SEEN in face_of(scale, name).notes] == ["fig4c"]


@pytest.mark.parametrize("name", FIGURES)
def test_it_can_be_printed(drawn, name):
    """3.5 or 7 inches wide, every font embedded, no Type 3 font (which some printers refuse)."""
    page = PdfReader(drawn / f"{name}.pdf").pages[0]
    assert float(page.mediabox.width) / 72 in (3.5, 7.0)
    for font in page["/Resources"]["/Font"].values():
        descendant = font.get_object()["/DescendantFonts"][0].get_object()
        assert "/FontFile2" in descendant["/FontDescriptor"].get_object()


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_drawn_again_it_has_the_same_bytes(drawn, name, root, monkeypatch):
    monkeypatch.chdir(root)
    before = [(drawn / f"{name}.{end}").read_bytes() for end in ("pdf", "png", "csv")]
    draw_figure(load_scale("quick"), name, drawn)
    assert before == [(drawn / f"{name}.{end}").read_bytes() for end in ("pdf", "png", "csv")]


@pytest.mark.parametrize("name", FIGURES)
def test_the_table_has_each_seeds_value(drawn, name):
    table = pd.read_csv(drawn / f"{name}.csv")
    assert set(table.seed.dropna()) == {1, 2}
    assert {"run", "role", "family", "dataset", "scale"} <= set(table.columns)


@pytest.fixture
def gaps(root, monkeypatch, tmp_path):
    """The gaps of two networks after 3 and 6 epochs, of a changed quick scale."""
    monkeypatch.chdir(root)
    runs = load_scale("quick").datasets[DATASET].runs
    of = {name: {"network": asdict(runs[name].network)} for name in ("i-resnext", "msdnet")}
    short = {f"{name}-3": run | {"recipe": {"epochs": 3}} for name, run in of.items()}
    long = {f"{name}-6": run | {"recipe": {"epochs": 6}} for name, run in of.items()}
    changes = {"datasets": {DATASET: {"runs": short | long}}, "seeds": [1, 2, 3]}

    def draw(trainings=(list(short), list(long)), **keys):
        figure = {"kind": "gaps", "dataset": DATASET, "trainings": trainings} | keys
        scale = load_scale("quick", changes=changes | {"figures": {"gaps": figure}})

        def error(dataset, run, k, seed, level):
            lead = {"msdnet-3": 1, "msdnet-6": 2}.get(run, 0)
            return 40 - lead + (seed * 0.1 if lead else 0)

        write_results(scale, tmp_path, error, lambda run, network, k: 1e6 * k)
        draw_figure(scale, "gaps", tmp_path)
        return tmp_path

    return draw


def test_gaps_against_epochs_are_the_mean_gaps_with_their_intervals(gaps):
    """MSDNet's errors: 1 point less after 3 epochs, 2 after 6, and more by 0.1, 0.2 and 0.3."""
    folder = gaps()
    table = pd.read_csv(folder / "gaps.csv")
    assert set(table.role) == {"MSDNet less I-ResNeXt"}
    assert dict(zip(table.epochs, table.value, strict=True)) == pytest.approx({3: -0.8, 6: -1.8})
    half = 4.3027 * 0.1 / 3**0.5  # t(0.975, 2), of a standard deviation of 0.1
    assert (table.high - table.value).to_list() == pytest.approx([half, half], abs=1e-4)
    text = PdfReader(folder / "gaps.pdf").pages[0].extract_text().replace("\n", " ")
    assert "95 % interval of a model of network and seed" in text
    assert "all_ops" in text or "operations" in text


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"trainings": [["i-resnext-3", "msdnet-6"]]}, "one number of epochs"),
        (
            {"trainings": [["i-resnext-3", "msdnet-3"], ["msdnet-6", "i-resnext-6"]]},
            "in the same order",
        ),
        ({"trainings": [["i-resnext-3"]]}, "at least 2 items"),
        ({"y_scale": "log"}, "y_scale': Input should be 'linear'"),
    ],
)
def test_trainings_that_make_no_gap_are_refused(gaps, keys, problem):
    with pytest.raises(ParameterError, match=problem):
        gaps(**keys)


def levels(errors: dict[int, list[float]]) -> pd.DataFrame:
    """Rows of one seed: errors of each sub-network at each level."""
    return pd.DataFrame(
        {"subnetwork": k, "level": d, "validation_error": error}
        for k, of_k in errors.items()
        for d, error in enumerate(of_k, start=1)
    )


@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        ("full-network", {1: 3, 2: 2, 3: 1}),  # 30, of sub-network 3 on fine labels
        ("all-can-hold", {1: 3, 2: 2, 3: 1}),  # 30, the lowest of sub-network 1
        (40, {1: 2, 2: 1, 3: 1}),
        (5, {1: 3, 2: 3, 3: 3}),  # nobody holds it: the level of lowest error
    ],
)
def test_each_sub_network_takes_the_finest_level_that_holds_the_target(target, chosen):
    table = choose_levels(levels({1: [50, 40, 30], 2: [40, 30, 20], 3: [30, 20, 10]}), target)
    taken = table[table.chosen].set_index("subnetwork").level
    assert taken.to_dict() == chosen


def test_by_default_all_sub_networks_keep_the_accuracy_of_the_full_network():
    table = choose_levels(
        levels({1: [60, 50, 45], 2: [42, 35, 20], 3: [40, 20, 10]}), "full-network"
    )
    assert set(table.target_error) == {40}
    assert table[table.chosen].set_index("subnetwork").level.to_dict() == {1: 3, 2: 2, 3: 1}


@pytest.fixture
def restyled(drawn, root, monkeypatch, tmp_path):
    """Figure 4a of the quick scale with other keys, drawn from the same results."""
    monkeypatch.chdir(root)

    def draw(*, dataset=None, **keys):
        scale = load_scale(
            "quick", changes={"figures": {"fig4a": keys}, "datasets": {DATASET: dataset or {}}}
        )
        table = budget_table(scale, scale.figure("fig4a"), drawn)
        return scale, table, face_of(scale, "fig4a")

    return draw


DATASET = "fashion-mnist-quick"


@pytest.mark.parametrize(
    ("x", "label", "note"),
    [
        ("macs", "MACs", "multiply-adds of convolutions"),
        ("all_ops", "operations", "as the authors count"),
        ("params", "parameters", "numbers that a sub-network stores"),
    ],
)
def test_the_axis_says_what_is_drawn(restyled, x, label, note):
    _, table, face = restyled(x=x, y_scale="log")
    figure = budget.draw(table.assign(macs=1e6, all_ops=2e6, params=3e6), face)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_yscale()) == (label, "log")
    assert note in face.notes
    drawn_at = {float(x) for line in axes.get_lines() for x in line.get_xdata()}
    assert drawn_at == {{"macs": 1e6, "all_ops": 2e6, "params": 3e6}[x]}
    plt.close(figure)


def test_a_figure_has_its_own_title_seeds_and_styles(restyled):
    style = {"label": "ours", "colour": "#123456", "marker": "h"}
    scale, table, face = restyled(title="Mine", seeds=[2], styles={"msdnet": style})
    assert face.title == "Mine"
    assert "1 seed" in face.notes
    look = budget.legend_entries(table, face)["msdnet"]
    assert (look.label, look.colour, look.marker) == ("ours", "#123456", "h")
    assert scale.seeds_of("fig4a") == (2,)
    assert scale.seeds_of("fig3a") == (1, 2)


@pytest.mark.slow
def test_only_the_seeds_of_the_figure_are_in_its_table(restyled, drawn, tmp_path):
    scale, _, _ = restyled(seeds=[2])
    results = shutil.copytree(drawn, tmp_path / "results")
    draw_figure(scale, "fig4a", results)
    assert set(pd.read_csv(results / "fig4a.csv").seed) == {2}


def test_no_two_runs_share_an_entry_of_the_legend_however_many_lines(restyled):
    """Two lines of equal K had one name, and a fifth line had no dashes."""
    _, table, face = restyled(styles={"resnet-8": {"label": "MSDNet"}})
    one = table[table.run == "i-resnext"]
    many = pd.concat([table, *(one.assign(run=f"i-resnext-{n}") for n in range(12))])
    looks = budget.legend_entries(many, face)
    labels = [look.label for look in looks.values() if look.label]
    assert len(set(labels)) == len(labels)
    assert looks["i-resnext-7"].label == "I-ResNeXt (K=4), i-resnext-7"
    assert looks["resnet-8"].label == "MSDNet, resnet-8"
    assert looks["resnet-14"].label == "ResNet"
    lines = [(look.colour, look.line) for look in looks.values() if look.line != "none"]
    assert len(set(lines)) == len(lines) == 15
    plt.close(budget.draw(many, face))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "begins"), [("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")]
)
def test_one_file_elsewhere_and_nothing_else(drawn, root, monkeypatch, tmp_path, ending, begins):
    monkeypatch.chdir(root)
    output = tmp_path / f"mine.{ending}"
    before = {path: path.read_bytes() for path in drawn.iterdir() if path.is_file()}
    for _ in range(2):
        command = ["figure", "fig4a", "--results", str(drawn), "--output", str(output)]
        result = CliRunner().invoke(main, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert output.read_bytes().startswith(begins)
        assert list(tmp_path.iterdir()) == [output]
    assert before == {path: path.read_bytes() for path in drawn.iterdir() if path.is_file()}


def test_an_ending_that_is_no_figures_is_refused(drawn, root, monkeypatch, tmp_path):
    monkeypatch.chdir(root)
    command = ["figure", "fig4a", "--results", str(drawn), "--output", str(tmp_path / "a.jpg")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert ".pdf, .png, .svg" in result.output


@pytest.mark.slow
def test_a_users_matplotlibrc_changes_no_figure(drawn, root, tmp_path):
    rc = tmp_path / "matplotlibrc"
    rc.write_text(
        "text.usetex: True\nsavefig.transparent: True\nlines.linewidth: 9\nbackend: TkAgg\n"
        "savefig.bbox: tight\nfont.family: monospace\nsvg.fonttype: none\n"
    )
    results = shutil.copytree(drawn, tmp_path / "results")
    code = (
        "import sys; from anyslice.cli.main import main\n"
        "for name in sys.argv[2:]:\n"
        "    main(['figure', name, '--results', sys.argv[1]], standalone_mode=False)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    subprocess.run(
        [sys.executable, "-c", code, str(results), *FIGURES],
        cwd=root,
        env=environment | {"MATPLOTLIBRC": str(rc)},
        check=True,
    )
    for name in FIGURES:
        for end in ("pdf", "png"):
            path = f"{name}.{end}"
            assert (results / path).read_bytes() == (drawn / path).read_bytes(), path
