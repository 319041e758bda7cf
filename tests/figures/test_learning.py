"""`anyslice curves`: what each epoch's row of the histories says."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from anyslice.cli.main import main
from anyslice.config.scale import load_scale
from anyslice.figures.learning import draw, learning_table

RUNS = ["fashion-mnist-quick/i-resnext", "fashion-mnist-quick/resnet-8"]


@pytest.fixture
def results(tmp_path, root, monkeypatch):
    """Histories of two runs: the loss is 10 k + epoch + seed, the error ten times that."""
    monkeypatch.chdir(root)
    for run, K, seeds in ((RUNS[0], 4, (1, 2)), (RUNS[1], 1, (1,))):
        for seed in seeds:
            rows = {"epoch": [1, 2, 3]}
            rows |= {
                f"train_loss_{k}": [10 * k + e + seed for e in (1, 2, 3)] for k in range(1, K + 1)
            }
            rows |= {
                f"validation_error_{k}": [10 * (10 * k + e + seed) for e in (1, 2, 3)]
                for k in range(1, K + 1)
            }
            folder = tmp_path / "runs" / run / f"seed{seed}"
            folder.mkdir(parents=True)
            pd.DataFrame(rows).to_csv(folder / "history.csv", index=False)
    return tmp_path


def test_first_and_full_sub_network_of_each_run_are_drawn(results):
    scale = load_scale("quick")
    figure = draw(learning_table(scale, RUNS, results), scale)
    losses, errors = figure.axes
    drawn = [list(line.get_ydata()) for line in losses.get_lines()]
    # sub-networks 1 and 4 of the mean of seeds 1 and 2, then the only one of seed 1
    assert drawn == [[12.5, 13.5, 14.5], [42.5, 43.5, 44.5], [12, 13, 14]]
    assert [list(line.get_ydata()) for line in errors.get_lines()] == [
        [10 * y for y in line] for line in drawn
    ]
    plt.close(figure)


def test_the_verb_draws_them(results):
    command = ["curves", *RUNS, "--results", str(results)]
    said = CliRunner().invoke(main, command, catch_exceptions=False)
    assert said.exit_code == 0, said.output
    text = PdfReader(results / "curves.pdf").pages[0].extract_text()
    for part in ("i-resnext", "resnet-8", "training loss", "validation error", "scale quick"):
        assert part in text


def test_a_run_without_a_finished_training_is_refused(results):
    command = ["curves", "fashion-mnist-quick/msdnet", "--results", str(results)]
    said = CliRunner().invoke(main, command)
    assert said.exit_code == 1
    assert "no training of fashion-mnist-quick/msdnet is finished" in said.output
