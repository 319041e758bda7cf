"""Every kind of figure: what its face says, that it can be printed, and its table."""

import pandas as pd
import pytest
from pypdf import PdfReader
from synthetic import write_results

from anyslice.analysis.tables import choose_levels
from anyslice.config.scale import load_scale
from anyslice.figures import SEEN, draw_figure, face_of

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
