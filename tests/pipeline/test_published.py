"""What is published brings finished trainings back, byte for byte, to another machine."""

from pathlib import Path

import pytest

from anyslice.config.scale import load_scale
from anyslice.errors import AnysliceError
from anyslice.pipeline.pages import filled
from anyslice.pipeline.published import read_rows, restore, write, write_rows

RUN, SEED = "cifar10/resnet-8", 1
TRAINING = Path("results/study/runs") / RUN / f"seed{SEED}"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, root) -> Path:
    """The current folder, which has the parameters and one published training."""
    (tmp_path / "params").symlink_to(root / "params")
    rows = read_rows(root / "published/study")
    (row,) = [row for row in rows if (row["metrics"]["run"], row["metrics"]["seed"]) == (RUN, SEED)]
    published = tmp_path / "published/study"
    published.mkdir(parents=True)
    write_rows(published, [row | {"history": "epoch\n1\n"}])
    monkeypatch.chdir(tmp_path)
    return published


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_published_training_comes_back_and_is_published_again_as_it_was(folder):
    scale = load_scale("study")
    assert restore(scale, folder, Path("results/study")) == 1
    assert files(TRAINING).keys() == {"metrics.json", "errors.json", "timing.json", "history.csv"}
    before = folder / "trainings.json"
    write(scale, Path("results/study"), Path("published/again"))
    assert Path("published/again/trainings.json").read_bytes() == before.read_bytes()


def test_what_is_there_is_not_overwritten(folder):
    TRAINING.mkdir(parents=True)
    (TRAINING / "metrics.json").write_text("{}")
    assert restore(load_scale("study"), folder, Path("results/study")) == 0
    assert files(TRAINING) == {"metrics.json": b"{}"}


def test_what_the_results_lack_stays_published(folder):
    write(load_scale("study"), Path("results/study"), folder)
    assert [row["metrics"]["run"] for row in read_rows(folder)] == [RUN]


def test_a_table_that_there_is_not_names_those_there_are(folder):
    page = "<!-- published study erors -->\n<!-- end -->\n"
    with pytest.raises(AnysliceError, match=r"'erors' of published/study: choose from claims"):
        filled(page)
