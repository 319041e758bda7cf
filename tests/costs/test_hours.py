"""GPU hours are an estimate from MACs, epochs, images and what a benchmark measured."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.config.dataset import load_description
from anyslice.config.scale import load_scale
from anyslice.costs.hours import estimate, shares_of_peak, teramacs_of

NAME = "imagenet/is-resnext"


@pytest.fixture
def imagenet(root):
    return load_description("imagenet", root / "params/datasets")


@pytest.fixture
def run(root):
    return load_scale("paper", root / "params").run(NAME)


def test_a_training_is_three_forward_passes_for_an_image_and_one_for_validation(run, imagenet):
    """90 epochs of 1,231,167 images to train on and 50,000 to validate with."""
    images = 90 * (3 * 1_231_167 + 50_000)
    assert teramacs_of(run, 10**9, imagenet) == pytest.approx(images / 1000)
    longer = replace(run, recipe=replace(run.recipe, epochs=180))
    assert teramacs_of(longer, 10**9, imagenet) == pytest.approx(2 * images / 1000)


def test_hours_are_of_all_gpus_together():
    """A PetaMAC at a tenth of 10 TMAC/s takes 1,000 s."""
    one, four = (estimate(NAME, 1000, gpus, share=0.1, peak=10) for gpus in (1, 4))
    assert one.gpu_hours == four.gpu_hours == pytest.approx(1000 / 3600)
    assert four.wall_hours == pytest.approx(one.wall_hours / 4)


def test_a_familys_share_is_the_mean_of_its_sizes():
    speeds = {"small": 0.2, "large": 0.4}
    networks = {
        key: {"network": "msdnet", "matmul_share": 2 * share, "plain_over_tuned": 2.0}
        for key, share in speeds.items()
    }
    assert shares_of_peak({"networks": networks}) == {"msdnet": pytest.approx(0.3)}


def test_the_verb_adds_up_a_figure_over_its_seeds(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params").symlink_to(root / "params")
    for run in ("is-resnext", "msdnet"):
        flops = tmp_path / f"results/paper/flops/imagenet/{run}.json"
        flops.parent.mkdir(parents=True, exist_ok=True)
        flops.write_text(json.dumps({"cumulative_macs": [10**8, 10**9]}))
    speeds = {
        name: {"network": name, "matmul_share": 0.5, "plain_over_tuned": 2.0}
        for name in ("is-resnext", "msdnet")
    }
    (tmp_path / "bench.json").write_text(json.dumps({"networks": speeds}))
    command = ["hours", "fig4c", "--scale", "paper", "--peak", "10", "--bench", "bench.json"]
    said = CliRunner().invoke(main, command, catch_exceptions=False).output.splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in said[2:]]
    assert [row[1] for row in cells] == ["imagenet/is-resnext", "imagenet/msdnet", "all"]
    assert [row[4] for row in cells[:2]] == ["4", "4"]
    # 90 epochs of 3.74 10^6 passes of a GMAC, at 2.5 TMAC/s, take 37.4 GPU hours; ten trainings.
    assert cells[0][6] == "37"
    assert cells[-1][-2] == "374"
