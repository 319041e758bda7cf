"""WordNet as the repository keeps it, and descriptions as it has them."""

from pathlib import Path

import pytest

from anyslice.taxonomy.wordnet import open_wordnet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def nouns():
    return open_wordnet(ROOT / "data/embedded/wordnet")


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    """Verbs are run, and descriptions found, from the top of the repository."""
    monkeypatch.chdir(ROOT)
