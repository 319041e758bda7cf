"""`anyslice data`, from sources to a picture, as a user runs it."""

import hashlib
import json
import resource
import subprocess
import sys

import pytest
from click.testing import CliRunner
from made import ROOT
from PIL import Image

from anyslice.cli.main import main


@pytest.fixture
def anyslice(tmp_path, monkeypatch):
    """Run a command in a folder that has the repository's descriptions and embedded data."""
    (tmp_path / "params").symlink_to(ROOT / "params")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/embedded").symlink_to(ROOT / "data/embedded")
    monkeypatch.chdir(tmp_path)

    def run(*arguments, fails=False):
        result = CliRunner().invoke(main, ["data", *arguments])
        assert (result.exit_code != 0) == fails, result.output
        return result.output

    return run


@pytest.mark.slow
def test_fetch_prepare_show(anyslice, tmp_path):
    name = "fashion-mnist-quick"
    assert "data/embedded/fashion-mnist/train-images" in anyslice("fetch", name)
    fetched = f"data/sources/{name}/fetched.json"
    assert "9000 training" in anyslice("prepare", name, "--fetched", fetched)
    shown = anyslice("show", name, "--picture", "sheet.png")
    digest = hashlib.sha256((tmp_path / f"data/{name}/train.safetensors").read_bytes()).hexdigest()
    for part in ("9000 training, 1000 validation, 2000 test", "MIT", digest, "fb5d76be9a26fa80"):
        assert part in shown
    assert Image.open("sheet.png").size > (800, 800)


def test_prepare_alone_is_enough(anyslice, tmp_path):
    anyslice("prepare", "fashion-mnist-two-level")
    manifest = json.loads((tmp_path / "data/fashion-mnist-two-level/manifest.json").read_text())
    assert manifest["counts"] == {"train": 9000, "validation": 1000, "test": 2000}


def test_what_is_not_here_is_shown_all_the_same(anyslice):
    shown = anyslice("show", "imagenet")
    for part in (
        "1231167 training",
        "ImageNet terms of access",
        "1d675b47d978889d",
        "Prepared:  no",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare", "imagenet"), "ILSVRC2012_img_val.tar"),
        (("prepare", "imagent"), "choose from "),
        (("show", "cub", "--picture", "sheet.png"), "data/cub is not a prepared data set"),
    ],
)
def test_errors_are_messages_without_a_traceback(anyslice, arguments, message):
    output = anyslice(*arguments, fails=True)
    assert output.count("Error:") == 1
    assert message in output


@pytest.mark.slow
def test_a_full_disk_is_said_with_the_path(tmp_path):
    """No file may be larger than 100 kB here, as on a disk that is full."""
    target = tmp_path / "prepared"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "anyslice",
            "data",
            "prepare",
            "fashion-mnist-quick",
            "--output",
            target,
        ],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"the disk is full: cannot write {target}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (target / "manifest.json").exists()
