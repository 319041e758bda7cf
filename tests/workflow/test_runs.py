"""`anyslice runs rename` and `remove`: what is on disk follows the scale's file."""

from pathlib import Path

import pytest

from anyslice.pipeline.audit import read_records

SCALE = "tests/scales/tiny.yaml"
OLD, NEW = "fashion-mnist-quick/i-resnext-shared-bn", "fashion-mnist-quick/shared"
RUNS = "results/tiny/runs"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, copy_repository, run) -> Path:
    """A copy of the repository's files with one training done and another one stopped."""
    folder = copy_repository(tmp_path_factory.mktemp("project"))
    run(folder, "snakemake", "--cores", "1", f"{RUNS}/{OLD}/seed1/metrics.json", *CONFIG)
    stopped = run(folder, *train(OLD, 2), "--time-budget", "0", check=False)
    assert stopped.returncode == 75, stopped.stdout
    return folder


CONFIG = ["--config", f"scale={SCALE}"]


def train(name, seed):
    return ["anyslice", "train", name, "--scale", SCALE, "--seed", str(seed)]


def change(folder: Path, old: str, new: str) -> None:
    path = folder / SCALE
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def records(folder: Path) -> str:
    return " ".join(output for output, _ in read_records(folder / ".snakemake/metadata"))


@pytest.mark.slow
def test_a_renamed_run_is_not_trained_again(trained, run):
    rename = ["anyslice", "runs", "rename", OLD, "shared", "--scale", SCALE]
    refused = run(trained, *rename, check=False)
    assert refused.returncode == 1
    assert f"there is no run '{NEW}'" in refused.stdout

    change(trained, "i-resnext-shared-bn", "shared")
    said = run(trained, "anyslice", "status", "--scale", SCALE).stdout
    assert f"{OLD}  is none of the scale's runs" in said
    run(trained, *rename)

    target = f"{RUNS}/{NEW}/seed1/metrics.json"
    assert "Nothing to be done" in run(trained, "snakemake", "-n", target, *CONFIG).stdout
    run(trained, "anyslice", "verify", "--scale", SCALE)
    (line,) = [
        line
        for line in run(trained, "anyslice", "status", "--scale", SCALE).stdout.splitlines()
        if line.startswith(f"{NEW} ")
    ]
    assert "seed 1  done" in line
    for path in (f"{RUNS}/{OLD}", f"work/tiny/{OLD}"):
        assert not (trained / path).exists()
    assert OLD not in records(trained)
    assert NEW in records(trained)


@pytest.mark.slow
def test_what_it_left_unfinished_and_what_it_kept_have_the_new_name_too(trained, run):
    """After the test above."""
    assert "going on from the checkpoint" in run(trained, *train(NEW, 2)).stdout
    (trained / RUNS / NEW / "seed1/metrics.json").unlink()
    assert "put back from" in run(trained, *train(NEW, 1)).stdout


@pytest.mark.slow
def test_a_removed_run_leaves_nothing_but_what_a_figure_shows_stays(trained, run):
    """After the tests above."""
    remove = ["anyslice", "runs", "remove", NEW, "--scale", SCALE, "--yes"]
    refused = run(trained, *remove, check=False)
    assert refused.returncode == 1
    assert f"fig3a still show {NEW}" in refused.stdout
    assert (trained / RUNS / NEW / "seed1/metrics.json").exists()

    change(trained, "    shared: shared\n", "    shared: other\n")
    change(trained, "      shared:\n", "      other:\n")
    run(trained, *remove)
    for path in (f"{RUNS}/{NEW}", f"work/tiny/{NEW}", f"results/tiny/flops/{NEW}.json"):
        assert not (trained / path).exists()
    assert NEW not in records(trained)
    nothing = run(trained, *remove, check=False)
    assert f"there is nothing of a run '{NEW}'" in nothing.stdout
