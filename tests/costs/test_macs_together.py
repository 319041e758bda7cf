"""The multiply-adds of a network are those of all sub-networks, what they share counted once."""

import pytest

from anyslice.costs import macs
from anyslice.networks import build

SMALL = {"L": 3, "W": 8, "B": 2, "C": 2}


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_macs_are_those_of_all_sub_networks_with_what_they_share_once(name):
    network = build(name, classes=10, image_size=32, K=2, **SMALL).eval()
    thin, full = (cost.macs for cost in macs.count(network))
    found = macs.forward_macs(network)
    stem = 32 * 32 * 8 * 27
    thin_head = 16 * 10
    assert found == (thin + full - stem if name == "i-resnext" else full + thin_head)
