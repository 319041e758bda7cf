"""The released models, and the pictures that their networks were tested on."""

import gzip

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from released import MODELS

from anyslice.cli.main import main
from anyslice.datasets import open_dataset
from anyslice.predict import AnytimePredictor


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache that the tests share with nobody."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def folder_of(root):
    return lambda name: root / "models" / MODELS[name]


@pytest.fixture(scope="session")
def predictor_of(folder_of):
    """A released model on PyTorch: exports nothing, so it is there at once."""
    return lambda name: AnytimePredictor.load(folder_of(name), engine="torch")


@pytest.fixture(scope="session")
def dataset(root, tmp_path_factory):
    """The data set of the quick scale's Figure 4a."""
    folder = tmp_path_factory.mktemp("data") / "fashion-mnist-quick"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        command = ["data", "prepare", "fashion-mnist-quick", "--output", str(folder)]
        CliRunner().invoke(main, command, catch_exceptions=False)
    return open_dataset(folder)


@pytest.fixture(scope="session")
def test_batch(dataset):
    """All 2,000 test images, normalised, and their classes."""
    return next(iter(dataset.eval_batches("test", batch_size=2000, device="cpu")))


@pytest.fixture(scope="session")
def sources(root):
    """The first test pictures as they were published, uint8 (20, 28, 28)."""
    path = root / "data/embedded/fashion-mnist/t10k-images-idx3-ubyte.gz"
    pixels = np.frombuffer(gzip.decompress(path.read_bytes())[16:], np.uint8)
    return pixels.reshape(-1, 28, 28)[:20]


@pytest.fixture
def photo(tmp_path, sources):
    """A picture file: an ankle boot."""
    path = tmp_path / "boot.png"
    Image.fromarray(sources[0]).save(path)
    return path


@pytest.fixture
def images(test_batch) -> torch.Tensor:
    """Some normalised images."""
    return test_batch.images[:5].contiguous()
