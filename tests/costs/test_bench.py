"""What the benchmark says of a network follows from what it measured."""

import functools
import json

import pytest
from click.testing import CliRunner

from anyslice.cli.main import main
from anyslice.costs import bench
from anyslice.costs import macs as flops
from anyslice.networks import build

SMALL = {"L": 3, "W": 8, "B": 2, "C": 2}


@pytest.mark.slow
def test_rates_follow_from_the_time_of_a_step():
    speed = bench.measure("i-resnext", SMALL | {"K": 2}, rounds=1)
    assert speed.images_per_second * speed.seconds_per_step == pytest.approx(bench.BATCH)
    macs_of_step = 3 * speed.forward_macs * bench.BATCH
    assert speed.gmacs_per_second * speed.seconds_per_step == pytest.approx(macs_of_step / 1e9)
    assert 0 < speed.matmul_share < 1
    assert speed.loss_difference < 1e-4


def test_rounds_that_are_slow_for_all_change_no_ratio():
    assert bench.ratio([2, 20, 6], [1, 10, 4]) == 2


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_macs_are_those_of_all_sub_networks_with_what_they_share_once(name):
    network = build(name, classes=10, image_size=32, K=2, **SMALL).eval()
    thin, full = (cost.macs for cost in flops.count(network))
    found = flops.forward_macs(network)
    stem = 32 * 32 * 8 * 27
    thin_head = 16 * 10
    assert found == (thin + full - stem if name == "i-resnext" else full + thin_head)


@pytest.mark.slow
def test_a_network_without_the_letters_has_no_single_resnext_beside_it():
    assert bench.measure("resnet", {"depth": 8}, rounds=1).steps_of_single is None


def test_the_verb_stores_what_it_prints(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "CIFAR_SIZES", {"tiny": ("resnext", SMALL)})
    output = tmp_path / "bench.json"
    arguments = ["bench", "--rounds", "1", "--threads", "1", "--output", str(output)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    stored = json.loads(output.read_text())
    assert f"{stored['networks']['tiny']['images_per_second']:.1f}" in result.output
    assert stored["machine"]["threads"] == 1


def test_an_unknown_network_is_refused_with_the_choices():
    result = CliRunner().invoke(main, ["bench", "resnextt"])
    assert result.exit_code == 2
    assert "choose from i-resnext" in result.output


def test_turns_are_interleaved_and_a_warm_one_follows_a_call_of_its_own():
    called = []
    actions = {name: functools.partial(called.append, name) for name in ("long", "short")}
    seconds = bench.take_turns(actions, 2)
    assert called == ["long", "short"] * 2
    assert {name: len(times) for name, times in seconds.items()} == {"long": 2, "short": 2}
    called.clear()
    seconds = bench.take_turns(actions, 1, warm=True)
    assert called == ["long", "long", "short", "short"]
    assert {name: len(times) for name, times in seconds.items()} == {"long": 1, "short": 1}
