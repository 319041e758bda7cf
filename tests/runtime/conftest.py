"""The released models, as they are and in PyTorch, and the pictures that they were tested on."""

import gzip
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from released import MODELS

from anyslice.cli.main import main
from anyslice.datasets import open_dataset
from anyslice.export.run_folder import load_run
from anyslice.files import sha256
from anyslice.runtime import AnytimePredictor


@pytest.fixture(scope="session")
def folder_of(root):
    return lambda name: root / "models" / MODELS.get(name, name)


@pytest.fixture(scope="session")
def predictor_of(folder_of):
    return lambda name: AnytimePredictor(folder_of(name))


@pytest.fixture(scope="session")
def write_run(folder_of):
    """Writes a folder as its training left it, from what is released of it."""

    def write(name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        weights = shutil.copy(folder_of(name) / "model.safetensors", folder)
        model = json.loads((folder_of(name) / "model.json").read_text())
        training = model["training"]
        run, _, seed = model["name"].rpartition(" seed ")
        del model["images"]["decoding"]
        keys = ("images", "levels", "macs", "cumulative_macs", "calibration")
        metrics = {
            "run": run,
            "seed": int(seed),
            "chosen_epoch": training["chosen_epoch"],
            "test_error": [of_k[0] for of_k in model["test_error"]],
            "test_error_by_level": model["test_error"],
            "validation_error_by_level": [
                [100 * (1 - share) for share in of_k] for of_k in model["accuracy"]
            ],
            "parameters": {key: training[key] for key in ("network", "recipe")},
            "weights_sha256": sha256(folder / "model.safetensors"),
            "deployment": {key: model[key] for key in keys},
        }
        (folder / "metrics.json").write_text(json.dumps(metrics))
        assert weights
        return folder

    return write


@pytest.fixture(scope="session")
def run_of(write_run, tmp_path_factory):
    """A released model's network in PyTorch, with its weights."""
    return lambda name: load_run(write_run(name, tmp_path_factory.mktemp("run")))


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
def images(test_batch):
    """Some normalised images."""
    return test_batch.images[:5].contiguous().numpy()
