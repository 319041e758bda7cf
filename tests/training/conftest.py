"""A data set small enough that a training takes a second, and trainings on it."""

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from anyslice.cli.main import main
from anyslice.config.scale import Scale, load_scale
from anyslice.datasets.manifest import read_manifest, write_manifest
from anyslice.files import sha256
from anyslice.jobs.inputs import TrainingFolders
from anyslice.jobs.results import FILES
from anyslice.paths import TIMING

ROOT = Path(__file__).parents[2]
NAME = "fashion-mnist-short"
COUNTS = {"train": 160, "validation": 64, "test": 100}
COARSE = (0, 0, 0, 0, 0, 1, 0, 1, 2, 1)
"""Clothing, footwear, bag."""


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """The first images of the embedded Fashion-MNIST as a prepared data set of two levels."""
    folder = tmp_path_factory.mktemp("data") / NAME
    with contextlib.chdir(ROOT):
        command = ["data", "prepare", "fashion-mnist-quick", "--output", str(folder)]
        CliRunner().invoke(main, command, catch_exceptions=False)
    whole = read_manifest(folder)
    for name, images in (("train", COUNTS["train"] + COUNTS["validation"]), ("test", 100)):
        path = folder / f"{name}.safetensors"
        save_file({k: v[:images].contiguous() for k, v in load_file(path).items()}, path)
    held_out = list(range(COUNTS["validation"]))
    (folder / "split.json").write_text(json.dumps({"seed": 0, "validation": held_out}))
    manifest = replace(
        whole,
        name=NAME,
        counts=replace(whole.counts, **COUNTS),
        levels=(whole.classes, ("clothing", "footwear", "bag")),
        level_labels=(tuple(range(10)), COARSE),
        files={name: sha256(folder / name) for name in whole.files},
    )
    write_manifest(folder, manifest)
    return folder


@pytest.fixture(scope="session")
def short() -> Scale:
    """The scale of the tests' trainings."""
    return load_scale(str(ROOT / "tests/scales/short.yaml"))


@pytest.fixture
def changed_scale(tmp_path) -> Callable[[str, str], Path]:
    """Writes the scale's file, one text in it replaced, beside its descriptions of data sets."""

    def write(old: str, new: str) -> Path:
        text = (ROOT / "tests/scales/short.yaml").read_text()
        assert old in text
        shutil.copytree(ROOT / "tests/scales/datasets", tmp_path / "datasets", dirs_exist_ok=True)
        path = tmp_path / "short.yaml"
        path.write_text(text.replace(old, new))
        return path

    return write


@pytest.fixture
def folders(tmp_path, data) -> TrainingFolders:
    """Fresh folders for a training."""
    return TrainingFolders(output=tmp_path / "output", work=tmp_path / "work", data=data)


@pytest.fixture
def train_command(folders) -> Callable[..., list[str]]:
    """The words of `anyslice train` for one training at a scale, to be run as a process."""

    def words(scale: Path, *more: str) -> list[str]:
        train = [sys.executable, "-m", "anyslice", "train", f"{NAME}/is-resnext", "--seed", "1"]
        train += ["--scale", str(scale), "--output", str(folders.output)]
        return [*train, "--work", str(folders.work), "--data", str(folders.data), *more]

    return words


@pytest.fixture(scope="session")
def outcome() -> Callable[[Path], dict[str, bytes]]:
    """What equal trainings have in common: all bytes of their results but the wall time."""

    def read(folder: Path) -> dict[str, bytes]:
        return {name: (folder / name).read_bytes() for name in FILES if name != TIMING}

    return read
