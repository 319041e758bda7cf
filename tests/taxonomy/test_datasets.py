"""The taxonomies of the data sets, through the command line, from what the repository has."""

import functools
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from anyslice.cli.main import main
from anyslice.config.dataset import load_description
from anyslice.config.taxonomy import load_taxonomy_description
from anyslice.figures.taxonomy_tree import place
from anyslice.taxonomy.matching import match_by_name
from anyslice.taxonomy.record import read_taxonomy, write_taxonomy


def run(*arguments: str):
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def draw_taxonomy(tmp_path_factory):
    """Draws a data set's taxonomy and reads it back."""
    folder = tmp_path_factory.mktemp("taxonomy")

    @functools.cache
    def draw(dataset, *options):
        path = folder / f"{dataset}{len(options)}.json"
        result = run("taxonomy", "--dataset", dataset, "--output", path, *options)
        assert result.exit_code == 0, result.output
        return read_taxonomy(path), result.output

    return draw


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "sizes"),
    [("cifar10", [10, 8, 5, 2]), ("fashion-mnist", [10, 5, 3]), ("cifar100", [100, 20])],
)
def test_small_data_sets(draw_taxonomy, dataset, sizes):
    taxonomy, _ = draw_taxonomy(dataset)
    assert [len(level.names) for level in taxonomy.levels] == sizes


@pytest.mark.slow
def test_fashion_mnist_is_clothing_footwear_and_bag(draw_taxonomy):
    taxonomy, _ = draw_taxonomy("fashion-mnist")
    assert taxonomy.levels[-1].names == ("clothing.n.01", "footwear.n.02", "Bag")


@pytest.mark.slow
def test_cub_is_placed_whole_and_near_the_papers_levels(draw_taxonomy):
    taxonomy, output = draw_taxonomy("cub")
    assert "200 of 200 classes matched" in output
    assert taxonomy.tree.depth == 8
    for level, paper in zip(taxonomy.levels, (200, 183, 149, 80), strict=True):
        assert abs(len(level.names) - paper) <= 0.03 * paper
    for name in taxonomy.tree.classes:
        assert taxonomy.tree.parents[name] != taxonomy.tree.root


@pytest.mark.slow
def test_every_reviewed_alias_of_cub_is_needed(nouns):
    """An alias changes what the rules alone would give, and a difference is one of the tree's."""
    description = load_taxonomy_description("cub")
    classes = load_description("cub").classes
    with_aliases = match_by_name(nouns, classes, description)
    alone = match_by_name(nouns, classes, replace(description, aliases=()))
    for alias in description.aliases:
        for name in alias.classes:
            assert name not in alone or alone[name].parent != with_aliases[name].parent, name
    parents = {match.parent.name() for match in with_aliases.values()}
    assert {name for each in description.differences for name in each.synsets} <= parents


@pytest.mark.slow
def test_a_class_without_a_place_is_listed_and_nothing_is_written(tmp_path):
    parents = tmp_path / "parents.txt"
    parents.write_text("Gadwall\tduck.n.01\n")
    output = tmp_path / "taxonomy.json"
    result = run("taxonomy", "--dataset", "cub", "--parents", parents, "--output", output)
    assert result.exit_code != 0
    assert "1 of 200 classes matched" in result.output
    assert "\n  Mallard\n" in result.output
    assert "Gadwall" not in result.output
    assert list(tmp_path.iterdir()) == [parents]


def test_the_papers_table_gives_the_papers_numbers(draw_taxonomy):
    """Where the table is at hand: name it in ANYSLICE_CUB_PARENTS, or let the workflow fetch it."""
    named = os.environ.get("ANYSLICE_CUB_PARENTS")
    table = Path(named or "data/sources/cub/parents.txt")
    if not named and not table.exists():
        pytest.skip("the paper's table of parents is not here (ANYSLICE_CUB_PARENTS)")
    taxonomy, _ = draw_taxonomy("cub", "--parents", table)
    assert [len(level.names) for level in taxonomy.levels] == [200, 183, 149, 80]
    assert (len(taxonomy.tree.non_leaves), taxonomy.tree.depth) == (99, 8)


@pytest.mark.slow
def test_the_picture_names_every_class(draw_taxonomy, tmp_path):
    taxonomy, _ = draw_taxonomy("cifar10")
    path = tmp_path / "taxonomy.json"
    write_taxonomy(taxonomy, path)
    result = run("taxonomy-figure", path, "--output", tmp_path / "picture")
    assert result.exit_code == 0, result.output
    page = PdfReader(tmp_path / "picture.pdf").pages[0]
    text = page.extract_text()
    for name in ("CIFAR-10", "level 2: 8 labels", "placental", *taxonomy.tree.classes):
        assert name in text
    for font in page["/Resources"]["/Font"].values():
        descendant = font.get_object()["/DescendantFonts"][0].get_object()
        assert "/FontFile2" in descendant["/FontDescriptor"]
    assert (tmp_path / "picture.png").exists()


@pytest.mark.slow
def test_no_two_classes_of_cub_share_a_row(draw_taxonomy):
    tree = draw_taxonomy("cub")[0].tree
    positions = place(tree)
    rows = sorted(positions[name].y for name in tree.classes)
    assert min(b - a for a, b in pairwise(rows)) > 0.1
