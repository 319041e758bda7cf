"""The table of families: one row is all that the package knows of a network outside its module."""

import subprocess
import sys

import pytest

from anyslice.config.families import FAMILIES, Family, ResNetParams, labelled
from anyslice.config.scale import hyperparameters, load_scale
from anyslice.networks import build


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
        network = build(run.network.name, classes=10, image_size=16, **hyperparameters(run.network))
        assert network.K == run.network.subnetworks


def test_a_scale_is_read_without_torch(root):
    code = "import sys; from anyslice.config.scale import load_scale; load_scale('quick')"
    code += "; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
