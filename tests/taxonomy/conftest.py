"""WordNet as the repository keeps it, and descriptions as it has them."""

import pytest

from anyslice.taxonomy.wordnet import open_wordnet
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def nouns():
    return open_wordnet(ROOT / "data/embedded/wordnet")


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch):
    """Verbs are run, and descriptions found, from the top of the repository."""
    monkeypatch.chdir(ROOT)
