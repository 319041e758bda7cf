"""Trees, pruning, and the rule that makes levels of cuts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyslice.taxonomy.errors import TaxonomyError
from anyslice.taxonomy.extract import from_given_levels
from anyslice.taxonomy.levels import choose_levels, cut_tree
from anyslice.taxonomy.record import read_taxonomy, write_taxonomy
from anyslice.taxonomy.tree import grow, prune


@st.composite
def trees(draw):
    """A tree of 2 to 40 classes, each 1 to 6 edges below the root."""
    steps = draw(st.lists(st.lists(st.integers(0, 2), max_size=5), min_size=2, max_size=40))
    paths = {}
    for number, path in enumerate(steps):
        above = ["".join(map(str, path[:end])) for end in range(1, len(path) + 1)]
        paths[f"class{number}"] = ["root", *(f"node{name}" for name in above)]
    return grow(paths)


def sizes(levels):
    return [len(level.names) for level in levels]


@given(trees())
def test_levels_are_nested(tree):
    cuts = [cut_tree(tree, depth) for depth in range(tree.depth - 1, -1, -1)]
    for fine, coarse in pairwise(cuts):
        assert len(set(zip(fine.labels, coarse.labels, strict=True))) == len(fine.names)
        assert set(coarse.labels) == set(range(len(coarse.names)))


@given(trees())
def test_the_finest_level_is_the_classes_and_the_root_alone_is_none(tree):
    levels = choose_levels(tree, 1)
    assert levels[0].names == tree.classes
    assert levels[0].labels == tuple(range(len(tree.classes)))
    with pytest.raises(TaxonomyError, match="but the tree gives"):
        choose_levels(tree, tree.depth + 1)


@given(trees())
def test_pruning_keeps_classes_and_leaves_no_single_child(tree):
    if len({tree.path(name)[1] for name in tree.classes}) == 1:
        return
    pruned = prune(tree)
    assert pruned.classes == tree.classes
    for node in pruned.non_leaves:
        assert list(pruned.parents.values()).count(node) > 1


def test_a_class_above_the_cut_keeps_its_own_label():
    tree = grow({"deep": ["root", "a", "b"], "other": ["root", "a", "b"], "high": ["root"]})
    assert cut_tree(tree, 2).names == ("b", "high")
    assert cut_tree(tree, 2).labels == (0, 0, 1)


def test_a_cut_that_leaves_out_less_than_2_percent_is_no_level():
    pair = {f"twin{n}": ["root", "group", "pair"] for n in range(2)}
    rest = {f"bird{n}": ["root", "group"] for n in range(98)}
    other = {f"fish{n}": ["root", "water"] for n in range(10)}
    levels = choose_levels(grow(pair | rest | other), 2)
    assert sizes(levels) == [110, 2]
    assert [level.cut for level in levels] == [3, 1]


def test_depth_counts_nodes_from_root_to_class():
    tree = grow({"a": ["root", "x"], "b": ["root"]})
    assert tree.depth == 3
    assert tree.non_leaves == ("root", "x")


def test_a_node_below_two_parents_is_no_tree():
    with pytest.raises(TaxonomyError, match="'x' is below both 'a' and 'b'"):
        grow({"one": ["root", "a", "x"], "two": ["root", "b", "x"]})


def test_coarse_labels_of_the_data_set_become_levels():
    first = {"red": ["rose", "poppy"], "same": ["lily"]}
    second = {"flower": ["rose", "poppy"], "same": ["lily"]}
    taxonomy = from_given_levels("garden", ["rose", "lily", "poppy"], [first, second])
    assert sizes(taxonomy.levels) == [3, 2, 2]
    assert taxonomy.levels[1].labels == (0, 1, 0)


def test_taxonomy_json_is_read_as_it_was_written(tmp_path):
    taxonomy = from_given_levels(
        "pets", ["cat", "dog", "carp"], [{"m": ["cat", "dog"], "f": ["carp"]}]
    )
    write_taxonomy(taxonomy, tmp_path / "taxonomy.json")
    assert read_taxonomy(tmp_path / "taxonomy.json") == taxonomy


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"levels"', '"level"', "is no taxonomy"),
        ('"labels": [\n        0,\n        1,\n        2', '"labels": [\n0, 1, 9', "labels 0 to 2"),
        ("{", "", "is no taxonomy"),
    ],
    ids=["key", "label out of range", "no JSON"],
)
def test_a_damaged_taxonomy_is_refused_by_name(tmp_path, old, new, message):
    path = tmp_path / "taxonomy.json"
    classes = ["cat", "dog", "carp"]
    write_taxonomy(from_given_levels("pets", classes, [{"m": ["cat", "dog"], "f": ["carp"]}]), path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(TaxonomyError, match=f"taxonomy.json.*{message}"):
        read_taxonomy(path)
