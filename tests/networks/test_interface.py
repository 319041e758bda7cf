"""What every network promises, whatever its family."""

import copy
from itertools import pairwise

import pytest
import torch
from families import ANYTIME, INTERRUPTIBLE, NETWORKS, images, small, total, trained_a_little

from anyslice.config.families import FAMILIES
from anyslice.costs.macs import cost_of, count
from anyslice.networks import build
from anyslice.networks.heads import levels

every_network = pytest.mark.parametrize("name", NETWORKS)
every_anytime_network = pytest.mark.parametrize("name", ANYTIME)


def assert_same(actual, expected, rtol=1e-5):
    """Logits, of one level or several, equal up to rtol of the largest of them."""
    for ours, theirs in zip(levels(actual), levels(expected), strict=True):
        largest = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=rtol * largest)


@every_network
def test_one_pass_gives_the_logits_of_all_subnetworks(name):
    network = small(name, classes=7)
    logits = network(images(network, count=3))
    assert [tuple(of_k.shape) for of_k in logits] == [(3, 7)] * network.K


@every_network
def test_a_hierarchy_gives_each_subnetwork_one_classifier_per_level(name):
    network = small(name, classes=(7, 4, 2))
    logits = network(images(network, count=3))
    assert network.D == 3
    assert len(logits) == network.K
    for of_k in logits:
        assert [tuple(of_level.shape) for of_level in of_k] == [(3, 7), (3, 4), (3, 2)]


@every_network
@pytest.mark.parametrize("classes", [5, (5, 3)])
def test_a_subnetwork_alone_gives_its_logits(name, classes):
    network = trained_a_little(small(name, classes=classes))
    x = images(network)
    for k, expected in enumerate(network(x), start=1):
        assert_same(network.subnetwork(k)(x), expected)


@every_anytime_network
def test_a_subnetwork_costs_less_than_a_larger_one(name):
    costs = count(small(name))
    for cost, next_cost in pairwise(costs):
        assert cost.macs < next_cost.macs
        assert cost.all_ops < next_cost.all_ops


@pytest.mark.parametrize("name", [name for name in NETWORKS if "msdnet" not in name])
def test_a_subnetwork_holds_only_what_it_needs(name):
    network = trained_a_little(small(name))
    for k in range(1, network.K + 1):
        subnetwork = network.subnetwork(k)
        total(subnetwork(images(network))).backward()
        unused = [key for key, p in subnetwork.named_parameters() if p.grad is None]
        assert not unused


@every_network
def test_a_subnetwork_is_a_copy(name):
    network = trained_a_little(small(name))
    before = copy.deepcopy(network.state_dict())
    for parameter in network.subnetwork(network.K).parameters():
        parameter.data.fill_(7.0)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


@every_network
@pytest.mark.parametrize(
    "kind", [{"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}]
)
def test_a_subnetwork_keeps_type_and_device(name, kind):
    network = small(name).to(**kind)
    expected = {(v.dtype, v.device) for v in network.state_dict().values()}
    for k in range(1, network.K + 1):
        found = {(v.dtype, v.device) for v in network.subnetwork(k).state_dict().values()}
        assert found <= expected


@every_network
def test_a_subnetwork_that_does_not_exist_is_refused(name):
    network = small(name)
    for k in (0, network.K + 1):
        with pytest.raises(ValueError, match=rf"sub-network {k}: k must be in 1 ... {network.K}$"):
            network.subnetwork(k)


@every_network
@pytest.mark.parametrize("classes", [5, (5, 3)])
def test_training_passes_add_up_to_the_gradients_of_the_separate_losses(name, classes):
    network = small(name, classes=classes).double()
    x = images(network).double()
    seen = []
    for group in network.passes(x):
        seen += [k for k, _ in group]
        torch.stack([total(logits) for _, logits in group]).sum().backward()
    assert seen == list(range(1, network.K + 1))

    separate = small(name, classes=classes).double()
    for k in range(network.K):
        total(separate(x)[k]).backward()  # gradients accumulate
    for (key, ours), theirs in zip(network.named_parameters(), separate.parameters(), strict=True):
        assert ours.grad is not None, key
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12, msg=key)


@pytest.mark.parametrize("name", INTERRUPTIBLE)
@pytest.mark.parametrize("classes", [5, (5, 3)])
def test_refining_step_by_step_gives_each_subnetworks_logits(name, classes):
    network = trained_a_little(small(name, classes=classes))
    x = images(network)
    steps = list(network.refine(x))
    assert len(steps) == network.K
    for k, logits in enumerate(steps, start=1):
        assert_same(logits, network.subnetwork(k)(x))


@pytest.mark.parametrize("name", INTERRUPTIBLE)
@pytest.mark.parametrize("classes", [5, (5, 3)])
def test_a_step_needs_the_images_and_what_the_step_before_left(name, classes):
    network = trained_a_little(small(name, classes=classes))
    x = images(network)
    features = ()
    for k, step in enumerate(network.steps(), start=1):
        logits, *features = step(x, *features)
        for ours, theirs in zip(levels(logits), levels(network.subnetwork(k)(x)), strict=True):
            assert torch.equal(ours, theirs)
    assert not features  # nothing comes after the last


@every_network
def test_a_dense_subnetwork_is_the_same_function(name):
    network = trained_a_little(small(name))
    x = images(network)
    for k in range(1, network.K + 1):
        assert_same(network.dense_subnetwork(k)(x), network.subnetwork(k)(x))


@pytest.mark.parametrize("name", [n for n in INTERRUPTIBLE if n != "msdnet, original heads"])
def test_all_steps_cost_the_full_network_and_the_other_heads(name):
    class AllSteps(torch.nn.Module):
        def forward(self, x):
            return list(network.refine(x))

    network = small(name).eval()
    x = images(network, count=1)
    full = cost_of(network.subnetwork(network.K), x)
    other_heads = sum(
        layer.weight.numel()
        for head in network.heads[:-1]
        for layer in head.modules()
        if isinstance(layer, torch.nn.Linear)
    )
    assert cost_of(AllSteps(), x).macs == full.macs + other_heads


@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_stopping_early_computes_nothing_of_what_follows(name):
    class FirstStep(torch.nn.Module):
        def forward(self, x):
            return next(network.refine(x))

    network = small(name).eval()
    x = images(network, count=1)
    assert cost_of(FirstStep(), x).macs == cost_of(network.subnetwork(1), x).macs


@pytest.mark.parametrize("name", INTERRUPTIBLE)
def test_refining_in_training_mode_is_refused(name):
    network = small(name)
    with pytest.raises(RuntimeError, match="eval mode"):
        list(network.refine(images(network)))


def test_refining_independent_subnetworks_is_refused():
    network = small("i-resnext").eval()
    with pytest.raises(TypeError, match="not interruptible"):
        network.refine(images(network))


@every_network
def test_evaluation_changes_nothing(name):
    network = trained_a_little(small(name))
    before = copy.deepcopy(network.state_dict())
    network(images(network))
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


def test_an_unknown_network_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match=r"there is no family 'vgg'; choose from resnext, i-resnext"
    ):
        build("vgg", classes=10, image_size=32)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unknown_hyperparameter_is_refused_by_name(family):
    with pytest.raises(ValueError, match="wings"):
        build(family, classes=10, image_size=32, wings=2)


def test_every_family_is_tested_here():
    assert {family for family, _ in NETWORKS.values()} == set(FAMILIES) - {"torchvision"}
