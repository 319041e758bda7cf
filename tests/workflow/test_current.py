"""A finished training is current if its own metrics.json says so: what runs after which change.

Real trainings on two folders of small images; each network is trained on both.
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCALE = """
extends: tests/scales/tiny.yaml
recipe: {batch_size: 8}
datasets:
  fashion-mnist-quick: null
  fashion-mnist-two-level: null
  one:
    runs: &runs
      i-resnext:
        network: {name: i-resnext, L: 3, W: 8, B: 2, C: 2, K: 2}
      resnet-8:
        network: {name: resnet, depth: 8, width: 4}
  two:
    runs: *runs
figures:
  fig3a: null
  fig3b: null
  fig3c: null
  fig4a: {dataset: one, lines: [i-resnext], points: [resnet-8]}
  fig4b: {kind: budget, dataset: two, lines: [i-resnext], points: [resnet-8]}
  fig5a: null
  properties: null
"""
FIGURES = ("results/fig4a.pdf", "results/fig4b.pdf")
RUNS = Path("results/own/runs")
ALL = {f"{data}/{network}" for data in ("one", "two") for network in ("i-resnext", "resnet-8")}


def draw_images(folder: Path, seed: int) -> None:
    """A few grey images of two classes."""
    pixels = np.random.default_rng(seed)
    for part, count in (("train", 24), ("val", 4), ("test", 4)):
        for name in ("dark", "light"):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                low = 0 if name == "dark" else 128
                image = pixels.integers(low, low + 128, (16, 16), np.uint8)
                Image.fromarray(image).save(folder / part / name / f"{number}.png")


@pytest.fixture(scope="module")
def project(tmp_path_factory, copy_repository, run) -> Path:
    """A copy of the repository's files in which both figures were made."""
    folder = copy_repository(tmp_path_factory.mktemp("project"))
    (folder / "params/own.yaml").write_text(SCALE)
    for seed, name in enumerate(("one", "two")):
        draw_images(folder / f"pictures/{name}", seed)
        run(folder, "anyslice", "data", "describe", f"pictures/{name}", "--name", name)
    assert trained(folder, run) == ALL
    return folder


@pytest.fixture
def clone(project, tmp_path) -> Path:
    return Path(shutil.copytree(project, tmp_path / "clone", symlinks=True))


def trained(folder: Path, run, *arguments: str) -> set[str]:
    """Make both figures; the runs that Snakemake started for it."""
    before = stamps(folder)
    run(folder, "snakemake", "--cores", "1", *FIGURES, *arguments, "--config", "scale=own")
    after = stamps(folder)
    return {name for name in after if after[name] != before.get(name)}


def stamps(folder: Path) -> dict[str, int]:
    """When each run was started last."""
    found = (folder / RUNS).glob("*/*/seed1/benchmark.tsv")
    return {f"{path.parts[-4]}/{path.parts[-3]}": path.stat().st_mtime_ns for path in found}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.system
@pytest.mark.parametrize("weights", [True, False])
def test_only_what_has_changed_is_trained_again(clone, run, weights):
    """Also without weights, prepared data, checkpoints and records, as git has a study."""
    if not weights:
        for name in (".snakemake", "work", "data/one", "data/two", "data/sources"):
            shutil.rmtree(clone / name)
        for path in (clone / RUNS).rglob("*.safetensors"):
            path.unlink()
    assert trained(clone, run) == set()

    edit(clone / "workflow/rules/train.smk", " --wait", "  --wait")
    edit(clone / "params/own.yaml", "extends", "# A comment.\nextends")
    for path in clone.rglob("params/**/*.yaml"):  # as a checkout may
        os.utime(path)
    assert trained(clone, run) == set()

    (clone / RUNS / "two/i-resnext/seed1/metrics.json").unlink()
    assert trained(clone, run) == {"two/i-resnext"}

    edit(clone / "params/own.yaml", "width: 4", "width: 8")
    assert trained(clone, run) == {"one/resnet-8", "two/resnet-8"}

    draw_images(clone / "pictures/one", seed=2)
    run(clone, "anyslice", "data", "describe", "pictures/one", "--name", "one", "--force")
    run(clone, "anyslice", "data", "prepare", "one")
    assert trained(clone, run) == {"one/i-resnext", "one/resnet-8"}
    assert trained(clone, run) == set()


@pytest.mark.system
def test_a_training_that_fails_leaves_no_figure_that_counts_as_current(clone, run):
    edit(clone / "params/own.yaml", "width: 4}", "width: 4}\n        recipe: {learning_rate: 1e30}")
    command = ["snakemake", "--cores", "1", *FIGURES, "--config", "scale=own"]
    failed = run(clone, *command, check=False)
    assert failed.returncode != 0
    assert "diverged" in failed.stdout
    assert "Nothing to be done" not in run(clone, *command, "-n").stdout


@pytest.mark.system
def test_preparation_that_fails_leaves_no_figure_that_counts_as_current(clone, run):
    edit(clone / "params/datasets/one.yaml", "train: ", "train: 9")
    command = ["snakemake", "--cores", "1", *FIGURES, "--config", "scale=own"]
    assert run(clone, *command, check=False).returncode != 0
    planned = run(clone, *command, "-n").stdout
    assert re.search(r"^prepare +1$", planned, re.MULTILINE)


@pytest.mark.system
def test_changed_code_of_one_family_is_reported_for_that_family(clone, run):
    """And trained again only when asked."""
    code = clone / "src/anyslice/networks/resnet.py"
    code.write_text(code.read_text() + "\nMARK = 1\n")
    said = run(clone, "anyslice", "verify", "--scale", "own", check=False).stdout
    assert said.count("was trained with other code (networks/resnet.py)") == 2
    assert "2 trainings are outdated" in said
    status = run(clone, "anyslice", "status", "--scale", "own").stdout
    assert status.count("changed since: code (networks/resnet.py)") == 2
    listed = run(clone, "anyslice", "verify", "--scale", "own", "--list").stdout.split()
    assert trained(clone, run) == set()
    assert trained(clone, run, "--forcerun", *listed) == {"one/resnet-8", "two/resnet-8"}
