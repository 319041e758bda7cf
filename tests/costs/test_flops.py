"""Counting operations: simple modules by hand, the paper's networks against known numbers."""

import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from anyslice.config.families import TorchvisionParams
from anyslice.config.scale import load_scale
from anyslice.costs.macs import Cost, cost_of, count, cumulative_macs, training_passes
from anyslice.networks import build

# Published image size, channels and labels of the data sets whose parts are played.
IMAGES = {
    "cifar10": {"image_size": 32, "classes": 10},
    "cifar100": {"image_size": 32, "classes": 100},
    "imagenet": {"image_size": 224, "classes": 1000},
    "cub": {"image_size": 224, "classes": 200},
    "cub, four levels": {"image_size": 224, "classes": (200, 183, 149, 80)},
}
KNOWN = yaml.safe_load((Path(__file__).parent / "known_costs.yaml").read_text())
MILLION = 10**6


def cost(*layers: nn.Module, shape: tuple[int, ...] = (1, 4, 6, 6)) -> Cost:
    return cost_of(nn.Sequential(*layers).eval(), torch.zeros(shape))


class Add(nn.Module):
    def forward(self, x):
        return x + x


@pytest.mark.parametrize(
    ("layer", "macs", "all_ops", "params"),
    [
        (nn.Conv2d(4, 8, 3, padding=1, bias=False), 36 * 9 * 4 * 8, 36 * 9 * 4 * 8, 9 * 4 * 8),
        (nn.Conv2d(4, 8, 3, padding=1, groups=2, bias=False), 36 * 9 * 2 * 8, 36 * 9 * 2 * 8, 144),
        (nn.Conv2d(4, 8, 1, stride=2, bias=False), 9 * 4 * 8, 9 * 4 * 8, 32),
        (nn.BatchNorm2d(4), 0, 4 * 36, 8),
        (nn.ReLU(), 0, 4 * 36, 0),
        (nn.ReLU(inplace=True), 0, 4 * 36, 0),
        (Add(), 0, 4 * 36, 0),
        (nn.AvgPool2d(2), 0, 4 * 9 * 4, 0),
        (nn.MaxPool2d(3, stride=2, padding=1), 0, 4 * 9 * 9, 0),
        (nn.AdaptiveAvgPool2d(1), 0, 4 * 36, 0),
    ],
)
def test_an_operation_counts_what_its_definition_says(layer, macs, all_ops, params):
    assert cost(layer) == Cost(macs=macs, all_ops=all_ops, params=params)


def test_a_bias_counts_among_all_operations_only():
    assert cost(nn.Linear(5, 3), shape=(1, 5)) == Cost(macs=15, all_ops=18, params=18)
    assert cost(nn.Linear(5, 3, bias=False), shape=(1, 5)) == Cost(15, 15, 15)


@cache
def cost_of_known(network: str, images: str) -> list[Cost]:
    """The cost of a network, given as JSON, on the images of a data set; each counted once."""
    return count(build(**json.loads(network), **IMAGES[images]))


def in_millions(costs: list[Cost], field: str) -> list[float]:
    return [getattr(cost, field) / MILLION for cost in costs]


@pytest.mark.slow
@pytest.mark.parametrize("known", KNOWN["published"], ids=lambda known: known["title"])
def test_the_papers_networks_cost_what_was_measured_on_other_code(known):
    costs = cost_of_known(json.dumps(known["network"], sort_keys=True), known["images"])
    for field in ("macs", "all_ops", "params"):
        if field in known:
            digits = known["digits"][field]
            measured = [f"{value:.{digits}f}" for value in in_millions(costs, field)]
            assert measured == [f"{value:.{digits}f}" for value in known[field]], field


def paper_runs():
    """Those of CIFAR-10 have every family; the others are part of `make systemtest` only."""
    scale = load_scale("paper")
    marks = {"cifar10": pytest.mark.slow}
    return [
        pytest.param(
            dataset,
            name,
            run.network,
            id=f"{dataset}/{name}",
            marks=marks.get(dataset, pytest.mark.system),
        )
        for dataset, of_dataset in scale.datasets.items()
        for name, run in of_dataset.runs.items()
    ]


@pytest.mark.parametrize(("dataset", "name", "network"), paper_runs())
def test_the_paper_scale_costs_what_is_on_record(dataset, name, network):
    if isinstance(network, TorchvisionParams):
        network = replace(network, weights=None)  # released ones would be downloaded
    named = asdict(network)
    costs = cost_of_known(json.dumps(named, sort_keys=True), dataset)
    record = {"macs": [c.macs for c in costs], "params": [c.params for c in costs]}
    assert KNOWN["paper scale"].get(dataset, {}).get(name) == record, (
        f"if the change is meant, write into {Path(__file__).parent}/known_costs.yaml, under "
        f"'paper scale', {dataset}:\n    {name}: {record}"
    )


def test_answers_one_after_another_cost_only_what_is_new_where_a_network_is_interruptible():
    sizes = {"classes": 10, "image_size": 16, "image_channels": 1}
    thin = {"L": 3, "W": 8, "B": 2, "C": 4, "K": 2}
    for name, interruptible in (("i-resnext", False), ("is-resnext", True)):
        network = build(name, **sizes, **thin)
        first, full = (cost.macs for cost in count(network))
        head = 10 * network.heads[0].fc.in_features
        spent = cumulative_macs(network, [first, full])
        assert spent == [first, full + head if interruptible else first + full]


@pytest.mark.slow
def test_training_i_resnext_takes_8_passes_and_the_macs_of_4_55_full_networks():
    """Section 3.1; the MACs are those of all eight sub-networks, one after another."""
    network = build("i-resnext", L=21, W=64, B=4, C=8, K=8, **IMAGES["cifar10"])
    macs = [cost.macs for cost in count(network)]
    assert training_passes(network) == 8
    assert cumulative_macs(network, macs)[-1] / macs[-1] == pytest.approx(4.55, abs=0.005)


@pytest.mark.parametrize("name", ["is-resnext", "i-resnext", "shallow-resnext", "resnext"])
def test_only_i_resnext_needs_a_pass_for_each_sub_network(name):
    sizes = {"L": 3, "W": 8, "B": 2, "C": 4} | ({"K": 2} if name.startswith("i") else {})
    network = build(name, classes=(10, 5), image_size=16, **sizes)
    assert training_passes(network) == (2 if name == "i-resnext" else 1)
    assert all(parameter.grad is None for parameter in network.parameters())
