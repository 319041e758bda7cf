"""WordNet's nouns in the repository, and matching by them."""

import hashlib
import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from anyslice.config.taxonomy import Alias, TaxonomyDescription
from anyslice.taxonomy.errors import TaxonomyError
from anyslice.taxonomy.matching import match_by_file, match_by_name
from anyslice.taxonomy.wordnet import FILES, find_synset, open_wordnet, path_from

ROOT = Path(__file__).parents[2]

EMBEDDED = ROOT / "data/embedded/wordnet"
BIRDS = TaxonomyDescription(
    root="bird.n.01",
    levels=1,
    prune=False,
    match=("head noun", "full name", "genus"),
    name="birds",
    path="birds.yaml",
)


def test_the_files_are_those_of_the_checksums_and_small():
    lines = (EMBEDDED / "SHA256SUMS").read_text().splitlines()
    for digits, name in (line.split() for line in lines):
        assert hashlib.sha256((EMBEDDED / name).read_bytes()).hexdigest() == digits, name
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) < 5_000_000


@pytest.mark.slow
def test_a_plain_folder_reads_as_the_compressed_one(tmp_path, nouns):
    for name in FILES:
        (tmp_path / name).write_bytes(lzma.decompress((EMBEDDED / f"{name}.xz").read_bytes()))
    oriole = find_synset(open_wordnet(tmp_path), "oriole.n.02")
    assert oriole.definition() == find_synset(nouns, "oriole.n.02").definition()


@pytest.mark.slow
def test_senses_are_those_of_wordnet_3_0(nouns):
    assert nouns.get_version() == "3.0"
    assert find_synset(nouns, "oriole.n.02").name() == "new_world_oriole.n.01"
    assert find_synset(nouns, "dog.n.01").offset() == 2084071


@pytest.mark.slow
def test_another_version_is_refused(tmp_path):
    for name in FILES:
        content = lzma.decompress((EMBEDDED / f"{name}.xz").read_bytes())
        (tmp_path / name).write_bytes(content.replace(b"WordNet 3.0", b"WordNet 3.1"))
    with pytest.raises(TaxonomyError, match=r"data\.noun is of WordNet 3\.1; 3\.0 is needed"):
        open_wordnet(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(TaxonomyError, match=r"index\.noun is missing"):
        open_wordnet(tmp_path)
    (tmp_path / "index.noun.xz").write_bytes(b"no archive")
    with pytest.raises(TaxonomyError, match=r"index\.noun\.xz is damaged"):
        open_wordnet(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["oriole", "oriole.n.00", "oriole.n.77", "xyzzy.n.01", ""])
def test_what_is_no_synset_is_refused(nouns, name):
    with pytest.raises(TaxonomyError):
        find_synset(nouns, name)


@pytest.mark.slow
def test_a_path_is_the_longest_and_only_below_the_root(nouns):
    entity, dog = find_synset(nouns, "entity.n.01"), find_synset(nouns, "dog.n.01")
    assert len(path_from(entity, dog)) == max(map(len, dog.hypernym_paths()))
    assert path_from(find_synset(nouns, "bird.n.01"), dog) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parent", "how"),
    [
        ("Sooty_Albatross", "albatross.n.02", "head noun"),
        ("Frigatebird", "frigate_bird.n.01", "head noun"),
        ("Chuck_will_Widow", "goatsucker.n.01", "full name"),
        ("Geococcyx", "roadrunner.n.01", "genus"),
    ],
)
def test_names_are_matched(nouns, name, parent, how):
    match = match_by_name(nouns, [name], BIRDS)[name]
    assert match.parent == find_synset(nouns, parent)
    assert match.how.startswith(how)


@pytest.mark.slow
def test_a_name_outside_the_root_has_no_match(nouns):
    assert match_by_name(nouns, ["Gadwall", "Bulldog", "Mallard"], BIRDS).keys() == {"Mallard"}


def test_an_alias_comes_before_the_rules(nouns):
    alias = Alias(("Hooded_Oriole",), "oriole.n.02", "Icterus")
    match = match_by_name(nouns, ["Hooded_Oriole"], replace(BIRDS, aliases=(alias,)))
    assert match["Hooded_Oriole"].parent == find_synset(nouns, "new_world_oriole.n.01")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alias", "message"),
    [
        (Alias(("Dodo",), "duck.n.01", "?"), "'Dodo' is not a class"),
        (Alias(("Mallard",), "dog.n.01", "?"), "'dog.n.01' is not below the root"),
    ],
)
def test_a_wrong_alias_names_the_file(nouns, alias, message):
    with pytest.raises(TaxonomyError, match=rf"birds\.yaml, aliases: {message}"):
        match_by_name(nouns, ["Mallard"], replace(BIRDS, aliases=(alias,)))


CLASSES = ["Mallard", "Gadwall"]


@pytest.mark.parametrize(
    "text", ["mallard.n.01\nduck.n.01\n", "Gadwall\tduck.n.01\nMallard\tmallard.n.01\n"]
)
def test_a_file_of_parents_has_two_forms(nouns, tmp_path, text):
    (tmp_path / "parents.txt").write_text(text)
    matches = match_by_file(nouns, CLASSES, tmp_path / "parents.txt", "bird.n.01")
    assert [matches[name].parent.name() for name in CLASSES] == ["mallard.n.01", "duck.n.01"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mallard.n.01\nduck\n", "line 2: 'duck' is not the name of a noun synset"),
        ("mallard.n.01\n\nduck.n.01\nduck.n.01", "line 3: there are 2 classes and 4 lines"),
        ("mallard.n.01\ndog.n.01\n", "line 2: 'dog.n.01' is not below the root"),
        ("mallard.n.01\nGadwall\tduck.n.01\n", "line 2: a synset's name alone is needed"),
        ("Mallard\tmallard.n.01\nduck.n.01\n", "line 2: a class name, a tab"),
        ("Mallard\tduck.n.01\nMallard\tduck.n.01\n", "line 2: the class 'Mallard' is there twice"),
        ("Dodo\tduck.n.01\n", "line 1: 'Dodo' is not a class"),
    ],
)
def test_a_malformed_line_is_named(nouns, tmp_path, text, line):
    (tmp_path / "parents.txt").write_text(text)
    with pytest.raises(TaxonomyError, match=f"parents.txt, {line}"):
        match_by_file(nouns, CLASSES, tmp_path / "parents.txt", "bird.n.01")
