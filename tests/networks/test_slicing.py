"""I-ResNeXt (Section 3.1) and IS-ResNeXt (Section 3.2): what a slice is and depends on."""

import copy
from typing import Any

import formula
import pytest
import torch
from families import images, small, total, trained_a_little
from hypothesis import given, settings
from hypothesis import strategies as st
from test_interface import assert_same

from anyslice.costs.macs import count
from anyslice.networks import build
from anyslice.networks.heads import levels
from anyslice.networks.is_resnext import PrefixConv, SparseBlock
from anyslice.networks.resnext import Block

THIN = ("i-resnext", "i-resnext, shared BN", "is-resnext")


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    return [key for key in before if not torch.equal(before[key], after[key])]


# I-ResNeXt


def test_a_thin_subnetwork_is_the_resnext_of_its_cardinality():
    network = small("i-resnext")
    for k in range(1, 5):
        alone = small("resnext", C=k)
        thin = network.subnetwork(k).network.state_dict()
        assert {key: v.shape for key, v in thin.items()} == {
            key: v.shape for key, v in alone.state_dict().items()
        }


@pytest.mark.parametrize("name", ["i-resnext", "i-resnext, shared BN"])
def test_a_thin_subnetwork_has_the_first_branches_of_every_block(name):
    network = trained_a_little(small(name))
    x = images(network)
    before = network(x)
    for block in (m for m in network.modules() if isinstance(m, Block)):
        third = slice(2 * block.widths[0], 3 * block.widths[0])
        block.conv1.weight.data[third] += 1
        block.conv2.weight.data[third] += 1
        block.conv3.weight.data[:, third] += 1
    after = network(x)
    assert [torch.equal(a, b) for a, b in zip(after, before, strict=True)] == [
        True, True, False, False,
    ]  # fmt: skip


def train_one(network, k):
    """A training pass of sub-network k of an I-ResNeXt, and of no other."""
    network.train()
    with torch.no_grad():
        network.logits(network.stem(images(network)), k)


def test_independent_bn_statistics_belong_to_one_subnetwork():
    network = small("i-resnext")
    before = [state(network.subnetwork(k)) for k in range(1, 5)]
    train_one(network, 2)
    after = [state(network.subnetwork(k)) for k in range(1, 5)]
    differs = [bool(changed(b, a)) for b, a in zip(before, after, strict=True)]
    assert differs == [False, True, False, False]
    assert all("running" in key or "tracked" in key for key in changed(before[1], after[1]))


def test_shared_bn_statistics_belong_to_all_subnetworks():
    network = small("i-resnext, shared BN")
    before = [state(network.subnetwork(k)) for k in range(1, 5)]
    train_one(network, 2)
    after = [state(network.subnetwork(k)) for k in range(1, 5)]
    assert all(changed(b, a) for b, a in zip(before, after, strict=True))


def test_every_convolution_is_shared_and_no_bn_layer_is():
    one, four = small("i-resnext", C=4, K=1), small("i-resnext", C=4, K=4)

    def convolutions(network):
        return sum(p.numel() for p in network.parameters() if p.dim() == 4)

    assert convolutions(one) == convolutions(four)
    widths = [m.num_features for m in four.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    per_k = [8, 2, 2, 8, 4, 4, 8, 6, 6, 8, 8, 8]  # at the first scale: norm1, norm2, norm3
    assert sum(widths) == sum(per_k) * (1 + 2 + 4) + 4 * 8 * 4


# IS-ResNeXt


def disturb_above(network, k: int) -> None:
    """Change every weight and statistic that belongs to sub-features above k."""
    K = network.K

    def above(tensor, dim=0):
        width = tensor.shape[dim]
        tensor = tensor.data.narrow(dim, k * width // K, width - k * width // K)
        tensor.copy_(1 + torch.rand_like(tensor))

    above(network.stem.conv.weight)
    for block in (m for m in network.modules() if isinstance(m, SparseBlock)):
        for norm in (block.norm1, block.norm2, block.norm3):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                above(tensor)
        above(block.conv2.weight)
        above(block.conv3.weight)
        for part in block.conv1.parts[k:]:
            above(part)
            part.data.uniform_(1, 2)
    for head in network.heads[k:]:
        for parameter in head.parameters():
            parameter.data.uniform_(1, 2)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_no_bit_of_subnetwork_k_depends_on_sub_features_above_k(k, training):
    network = trained_a_little(small("is-resnext", L=6)).train(training)
    disturbed = copy.deepcopy(network)
    disturb_above(disturbed, k)
    x = images(network)
    same = [torch.equal(a, b) for a, b in zip(network(x), disturbed(x), strict=True)]
    assert same == [j <= k for j in range(1, 5)]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_no_gradient_of_subnetwork_k_reaches_sub_features_above_k(k):
    network = small("is-resnext", L=6)
    total(network(images(network))[k - 1]).backward()
    for block in (m for m in network.modules() if isinstance(m, SparseBlock)):
        for j, part in enumerate(block.conv1.parts, start=1):
            reached = part.grad is not None and bool(part.grad.any())
            assert reached == (j <= k)
        for conv in (block.conv2, block.conv3):
            reached_groups = [bool(g.any()) for g in conv.weight.grad.chunk(4)]
            assert reached_groups == [j <= k for j in range(1, 5)]


def test_with_one_sub_feature_is_resnext_is_resnext():
    sparse = trained_a_little(small("is-resnext", K=1))
    dense = small("resnext").eval()
    copy_weights(sparse, dense)
    x = images(sparse)
    assert_same(dense(x)[0], sparse(x)[0])


def copy_weights(sparse, dense):
    """Give a ResNeXt the weights of an IS-ResNeXt with K = 1."""
    dense.stem.load_state_dict(sparse.stem.state_dict())
    dense.heads[0].load_state_dict(sparse.heads[0].state_dict())
    pairs = zip(
        (m for m in dense.modules() if isinstance(m, Block)),
        (m for m in sparse.modules() if isinstance(m, SparseBlock)),
        strict=True,
    )
    for mine, theirs in pairs:
        (whole,) = theirs.conv1.parts
        mine.conv1.weight.data.copy_(whole)
        mine.conv2.load_state_dict(theirs.conv2.state_dict())
        mine.conv3.load_state_dict(theirs.conv3.state_dict())
        for i in (1, 2, 3):
            bn = getattr(mine, f"norm{i}").of(1)
            bn.load_state_dict(getattr(theirs, f"norm{i}").state_dict())


def test_no_zero_is_stored():
    network = small("is-resnext")
    for conv in (m for m in network.modules() if isinstance(m, PrefixConv)):
        K = len(conv.parts)
        stored = sum(part.numel() for part in conv.parts)
        assert stored == conv.dense().numel() * (K + 1) // (2 * K)
        assert int((conv.dense() != 0).sum()) == stored


# Both, whatever L, W, B, C and K are


@st.composite
def hyperparameters(draw: st.DrawFn) -> dict[str, Any]:
    K = draw(st.integers(1, 4))
    return {
        "name": draw(st.sampled_from(["i-resnext", "is-resnext"])),
        "K": K,
        "C": K * draw(st.integers(1, 3)),
        "W": K * draw(st.integers(1, 4)),
        "B": draw(st.integers(1, 4)),
        "L": 3 * draw(st.integers(1, 2)),
        "image_size": draw(st.integers(4, 17)),
        "image_channels": draw(st.sampled_from([1, 3])),
        "classes": draw(st.sampled_from([2, 5, (5, 2), (6, 4, 3)])),
    }


@pytest.mark.slow
@settings(max_examples=20, deadline=None, derandomize=True)
@given(hyperparameters())
def test_costs_follow_the_formula(chosen):
    network = build(**chosen)
    classes = chosen["classes"]
    numbers = {key: chosen[key] for key in ("L", "W", "B", "C", "K", "image_size")}
    for k, cost in enumerate(count(network), start=1):
        shape = formula.Shape(
            k=k,
            classes=classes if isinstance(classes, tuple) else (classes,),
            image_channels=chosen["image_channels"],
            sparse=chosen["name"] == "is-resnext",
            **numbers,
        )
        assert cost.macs == formula.macs(shape)
        assert cost.params == formula.parameters(shape)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(hyperparameters())
def test_every_subnetwork_is_a_slice(chosen):
    network = trained_a_little(build(**chosen))
    x = images(network)
    for k, logits in enumerate(network(x), start=1):
        assert_same(network.subnetwork(k)(x), logits)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(hyperparameters(), st.booleans(), st.booleans())
def test_the_sparse_property_is_exact(chosen, training, channels_last):
    network = trained_a_little(build(**chosen | {"name": "is-resnext"})).train(training)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    x = images(network)
    expected = [levels(logits) for logits in copy.deepcopy(network)(x)]
    for k in range(1, network.K):
        disturbed = copy.deepcopy(network)
        disturb_above(disturbed, k)
        for ours, theirs in zip(disturbed(x)[:k], expected[:k], strict=True):
            assert all(map(torch.equal, levels(ours), theirs))
