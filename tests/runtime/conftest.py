"""The released models, networks like them in PyTorch, and the pictures of their data set."""

import gzip
import json
from functools import cache

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from released import MODELS
from safetensors.torch import save_file

from anyslice.cli.main import main
from anyslice.datasets import open_dataset
from anyslice.files import sha256
from anyslice.networks import build
from anyslice.runtime import AnytimePredictor


@pytest.fixture(scope="session")
def folder_of(root):
    return lambda name: root / "models" / MODELS.get(name, name)


@pytest.fixture(scope="session")
def predictor_of(folder_of):
    return lambda name: AnytimePredictor(folder_of(name))


@pytest.fixture(scope="session")
def write_run(folder_of):
    """Writes a folder as a training leaves it: what a released model says, and random weights.

    "levels" is an IS-ResNeXt with a second level of labels.
    """

    def write(name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        released = folder_of("is-resnext" if name == "levels" else name)
        model = json.loads((released / "model.json").read_text())
        if name == "levels":
            _add_level(model)
        save_file(_random_network(model).state_dict(), folder / "model.safetensors")
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
        return folder

    return write


def _add_level(model):
    model["levels"].append(
        {"names": ["clothing", "footwear", "bag"], "labels": [0, 0, 0, 0, 0, 1, 0, 1, 2, 1]}
    )
    for k in range(len(model["macs"])):
        model["accuracy"][k].append(0.98 + 0.001 * k)
        model["test_error"][k].append(2 - 0.1 * k)
        model["calibration"][k] *= 2


def _random_network(model):
    torch.manual_seed(0)
    images, counts = model["images"], [len(level["names"]) for level in model["levels"]]
    size, channels = images["size"], images["channels"]
    network = build(
        **model["training"]["network"],
        classes=counts[0] if len(counts) == 1 else counts,
        image_size=size,
        image_channels=channels,
    )
    for _ in range(20):  # statistics of BN that are not those of the start
        network(torch.randn(32, channels, size, size))
    return network


@pytest.fixture(scope="session")
def exported(write_run, tmp_path_factory):
    """The run of a released model's name, exported: the run's folder, the folder and the output."""

    @cache
    def export(name):
        folder = tmp_path_factory.mktemp("exported")
        run = write_run(name, folder / "run")
        command = ["export", str(run), "--output", str(folder / "model"), "--licence", "CC0"]
        result = CliRunner().invoke(main, command, catch_exceptions=False)
        return run, folder / "model", result.output

    return export


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
