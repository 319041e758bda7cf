"""The table of families: one row is all that the package knows of a network outside its module."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyslice.config.checked_yaml import check
from anyslice.config.families import FAMILIES, Family, ResNetParams, labelled
from anyslice.config.scale import load_scale
from anyslice.networks import Task, make


@pytest.mark.parametrize("missing", ["label", "colour", "marker"])
def test_a_family_without_a_look_cannot_exist(missing):
    row = {"label": "Mine", "colour": "red", "marker": "o"}
    row.pop(missing)
    with pytest.raises(TypeError, match=missing):
        Family(ResNetParams, "mine:Mine", **row)


@pytest.mark.parametrize("look", ["label", "colour", "marker"])
def test_no_two_families_look_the_same(look):
    looks = [getattr(family, look) for family in FAMILIES.values()]
    assert len(set(looks)) == len(looks)


def test_tables_name_a_family_by_its_label():
    assert all(labelled(family.label) is family for family in FAMILIES.values())


def test_hyperparameters_know_the_number_of_subnetworks(root):
    runs = load_scale("quick", root / "params").datasets["fashion-mnist-quick"].runs
    for run in runs.values():
        network = make(run.network, Task(10, 16))
        assert network.K == run.network.subnetworks


BRANCHED = {
    "L": st.sampled_from([3, 4, 6, 8, 12]),
    "W": st.integers(1, 9),
    "B": st.integers(1, 3),
    "C": st.integers(1, 8),
}
K = st.integers(1, 4)
FACTORS = st.lists(st.integers(1, 3), min_size=1, max_size=4)
HYPERPARAMETERS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "resnext": BRANCHED,
    "i-resnext": BRANCHED | {"K": K, "batch_norm": st.sampled_from(["independent", "shared"])},
    "is-resnext": BRANCHED | {"K": K},
    "shallow-resnext": BRANCHED | {"only": st.none() | st.integers(1, 6)},
    "msdnet": {
        "K": K,
        "base": st.integers(1, 3),
        "step": st.integers(1, 2),
        "channels": st.integers(1, 6),
        "growth": st.integers(1, 6),
        "growth_factors": FACTORS,
        "bottleneck_factors": FACTORS,
        "head": st.sampled_from(["one-layer", "original"]),
    },
    "resnet": {"depth": st.integers(7, 15), "width": st.integers(1, 4)},
    "densenet-bc": {
        "depth": st.integers(9, 17),
        "growth": st.integers(1, 4),
        "compression": st.sampled_from([0.05, 0.3, 0.5, 1.0]),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HYPERPARAMETERS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_a_scale_may_list_can_be_built_and_run(name, data):
    """On PyTorch's meta device, which computes shapes only."""
    drawn = data.draw(st.fixed_dictionaries(HYPERPARAMETERS[name]))
    image_size = data.draw(st.sampled_from([3, 4, 7, 16, 64, 65, 96]))
    params = check(FAMILIES[name].params, {"name": name} | drawn, name)
    task = Task(5, image_size, image_channels=1)
    if list(params.problems(image_size)):
        with pytest.raises(ValueError, match=r"^network "):
            make(params, task)
        return
    with torch.device("meta"):
        network = make(params, task)
        logits = network(torch.zeros(2, 1, image_size, image_size))
    assert [of_k.shape for of_k in logits] == [(2, 5)] * params.subnetworks


def test_a_scale_is_read_without_torch(root):
    code = "import sys; from anyslice.config.scale import load_scale; load_scale('quick')"
    code += "; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_every_family_of_ours_is_drawn_here():
    assert set(HYPERPARAMETERS) == set(FAMILIES) - {"torchvision"}
