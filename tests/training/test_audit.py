"""What is outdated is found by contents, whatever file times say."""

import os
import shutil
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.config.scale import load_scale
from anyslice.files import read_json, sha256, write_json
from anyslice.jobs.inputs import TrainingFolders
from anyslice.jobs.interrupt import Interrupts
from anyslice.jobs.train import run_training
from anyslice.pipeline.audit import (
    RECORDS,
    changed_inputs,
    forget_missing,
    missing_data,
    outdated_trainings,
    read_records,
)

LONG = "results/" + "/".join(["a-long-folder-name"] * 12) + "/figure.pdf"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(output: str, *inputs: str) -> Path:
    """An output made from inputs, recorded as Snakemake records it."""
    for name in (output, *inputs):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[i : i + 254] for i in range(0, len(name), 254)]
    path = RECORDS.joinpath(*("@" + part for part in parts[:-1]), parts[-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"input_checksums": {name: f"sha256:{sha256(Path(name))}" for name in inputs}})
    return path


def reasons() -> list[str]:
    return [f"{found.path} {found.reason}" for found in changed_inputs(RECORDS)]


@pytest.mark.parametrize("output", ["figure.pdf", LONG])
def test_an_edited_input_is_found_though_its_time_is_old(output):
    record(output, "table.csv")
    assert reasons() == []
    Path("table.csv").write_text("edited")
    os.utime("table.csv", (0, 0))
    assert reasons() == [f"{output} was made from another table.csv"]


def test_a_touched_input_is_no_change():
    record("figure.pdf", "table.csv")
    os.utime("table.csv")
    assert reasons() == []


def test_a_missing_input_is_found():
    record("figure.pdf", "table.csv")
    Path("table.csv").unlink()
    assert reasons() == ["figure.pdf was made from table.csv, which is missing"]


def test_missing_data_make_nothing_outdated():
    """A clone has none before `dvc pull`, and never those of one machine."""
    manifest = "data/cub/manifest.json"
    record("table.csv", manifest, "data/sources/cub/fetched.json")
    assert missing_data(RECORDS) == {}
    shutil.rmtree("data")
    assert missing_data(RECORDS) == {manifest: ["table.csv"]}
    assert reasons() == []


def test_of_one_scale_only_what_it_makes_is_listed(root):
    """Snakemake, told to make all of these again, would make the whole study for a report."""
    Path("params").symlink_to(root / "params")
    errors = "results/tiny/runs/fashion-mnist-quick/{}/seed1/errors.json"
    ours = [errors.format("i-resnext"), "results/tiny/fig3a.csv", "results/tiny/claims.md"]
    ours += ["data/fashion-mnist-quick/manifest.json"]
    others = [errors.format("removed"), "results/tiny/removed.csv", "results/quick/fig3a.csv"]
    others += ["results/report.html", "results/fig3a.pdf", "data/cub/manifest.json"]
    for path in (*ours, *others):
        record(path, "input.csv")
    Path("input.csv").write_text("edited")
    options = ["verify", "--scale", str(root / "tests/scales/tiny.yaml")]
    said = CliRunner().invoke(main, [*options, "--list"])
    assert sorted(said.output.split()) == sorted(ours)
    assert f"{len(ours)} files are outdated" in CliRunner().invoke(main, options).output


def test_only_new_records_of_missing_outputs_are_forgotten():
    old, new, there = record("old.pdf"), record("new.pdf"), record("there.pdf")
    os.utime(old, (0, 0))
    for name in ("old.pdf", "new.pdf"):
        Path(name).unlink()
    (RECORDS / "no-record!").touch()
    forget_missing(since=1e6)
    assert (old.exists(), new.exists(), there.exists()) == (True, False, True)
    assert {path for path, _ in read_records(RECORDS)} == {"old.pdf", "there.pdf"}


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("parameters", {}, "parameters"),
        ("code_sha256", {"networks/old.py": "0"}, "code (networks/old.py)"),
        ("data_manifest_sha256", "0", "data"),
    ],
)
def test_a_training_by_other_code_parameters_or_data_is_found(trained, key, value, what):
    scale, metrics = trained
    assert list(outdated_trainings(scale)) == []
    write_json(metrics, read_json(metrics) | {key: value})
    (found,) = outdated_trainings(scale)
    assert (found.path, found.reason) == (str(metrics), f"was trained with other {what}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, root, data) -> Path:
    """A folder with one real training."""
    folder = tmp_path_factory.mktemp("finished")
    scale = load_scale(str(root / "tests/scales/short.yaml"))
    run = "fashion-mnist-short/is-resnext"
    output = folder / "results" / scale.name / "runs" / run / "seed1"
    run_training(scale, run, 1, TrainingFolders(output, folder / "work", data), Interrupts())
    shutil.copytree(data, folder / "data/fashion-mnist-short")
    return folder


@pytest.fixture
def trained(finished, folder, root):
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    scale = load_scale(str(root / "tests/scales/short.yaml"))
    output = Path("results") / scale.name / "runs/fashion-mnist-short/is-resnext/seed1"
    return scale, output / "metrics.json"
