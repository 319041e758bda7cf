"""The recipe of Appendix A, and that the same seed gives the same bytes."""

from dataclasses import replace
from types import MappingProxyType

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anyslice.config.families import IResNeXtParams, ISResNeXtParams
from anyslice.config.scale import Run, load_scale
from anyslice.datasets import Batch, open_dataset
from anyslice.errors import DivergedError
from anyslice.networks import build
from anyslice.training import loop, step
from anyslice.training.convolutions import FastConvolutions
from anyslice.training.loop import evaluation_batch, train
from anyslice.training.loss import joint_backward, labels_by_level
from anyslice.training.options import Options
from anyslice.training.schedule import learning_rate
from anyslice.training.session import Session
from anyslice.training.state import State

CPU = torch.device("cpu")


class Stripes:
    """A small data set in memory: the label is where a bright stripe lies."""

    name = "stripes"
    class_names = ("top", "middle", "bottom")
    image_size, image_channels = 8, 1
    counts = MappingProxyType({"train": 48, "validation": 24, "test": 24})

    def _part(self, part):
        generator = torch.Generator().manual_seed(["train", "validation", "test"].index(part))
        labels = torch.randint(3, (self.counts[part],), generator=generator)
        images = torch.randn(len(labels), 1, 8, 8, generator=generator) / 4
        for image, label in zip(images, labels, strict=True):
            image[:, 1 + 2 * label] += 2
        return images, labels

    def steps_per_epoch(self, batch_size):
        return 48 // batch_size

    def train_batches(self, *, seed, epoch, batch_size, device, start_step=0, **_):
        images, labels = self._part("train")
        order = torch.randperm(48, generator=torch.Generator().manual_seed(seed * 1000 + epoch))
        for batch in order.split(batch_size)[start_step:]:
            yield Batch(images[batch], labels[batch])

    def eval_batches(self, part, *, batch_size, device, rank=0, world=1):
        images, labels = self._part(part)
        for batch in torch.arange(len(labels)).split(batch_size)[rank::world]:
            yield Batch(images[batch], labels[batch])


@pytest.fixture
def recipe(root):
    quick = load_scale("quick", root / "params").recipe
    return replace(quick, epochs=4, batch_size=16)


@pytest.fixture
def run(recipe):
    return Run(network=IResNeXtParams(name="i-resnext", L=3, W=8, B=2, C=2, K=2), recipe=recipe)


def test_a_training_learns(run):
    trained = train(run, Stripes(), seed=1, device=CPU)
    assert trained.test.errors[-1][0] < 40  # chance is 67 %
    assert trained.history[-1].train_losses[0] < trained.history[0].train_losses[0]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(run):
    first, again, other = (train(run, Stripes(), seed=s, device=CPU) for s in (1, 1, 2))
    weights = first.network.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in again.network.state_dict().items())
    assert again.test.errors == first.test.errors
    assert not torch.equal(other.network.stem.conv.weight, first.network.stem.conv.weight)


def test_the_chosen_epoch_has_the_lowest_validation_error_of_the_full_network(run):
    trained = train(run, Stripes(), seed=3, device=CPU)
    full = [epoch.validation_errors[-1][0] for epoch in trained.history]
    assert full[trained.chosen_epoch - 1] == min(full)
    assert trained.validation_errors == trained.history[trained.chosen_epoch - 1].validation_errors


def test_the_last_epoch_is_kept_when_asked(run):
    last = replace(run, recipe=replace(run.recipe, selection="last"))
    assert train(last, Stripes(), seed=3, device=CPU).chosen_epoch == 4


class Rates(Session):
    """Records the learning rate of each step."""

    def __init__(self):
        self.seen = []

    def after_step(self, state):
        self.seen.append(state.learning_rate)
        assert all(group["lr"] == state.learning_rate for group in state.optimiser.param_groups)


def test_every_step_has_the_rate_of_the_schedule(run):
    linear = replace(run.recipe, schedule="linear", warmup=0.25, milestones=(), gamma=None)
    rates = Rates()
    trained = train(replace(run, recipe=linear), Stripes(), seed=1, device=CPU, session=rates)
    assert rates.seen == [learning_rate(linear, step, 3) for step in range(4 * 3)]
    assert [epoch.learning_rate for epoch in trained.history] == rates.seen[2::3]


def test_a_pilot_does_not_look_at_test_images(run):
    class NoTestImages(Stripes):
        def eval_batches(self, part, **options):
            assert part == "validation"
            return super().eval_batches(part, **options)

    trained = train(run, NoTestImages(), seed=1, device=CPU, test=False)
    assert trained.test is None
    assert len(trained.validation_errors) == 2


def test_a_diverging_training_stops_and_says_where(run):
    wild = replace(run, recipe=replace(run.recipe, learning_rate=1e30))
    with pytest.raises(DivergedError, match=r"sub-network 1 .* step 2 of epoch 1 .*1e\+30"):
        train(wild, Stripes(), seed=1, device=CPU)


def test_a_last_step_that_diverges_is_noticed_too(run):
    class Spoil(Session):
        def before_test(self, state):
            state.network.stem.conv.weight.data[0] = float("inf")

    last = replace(run, recipe=replace(run.recipe, selection="last"))
    with pytest.raises(DivergedError, match=r"stem\.conv\.weight .* not finite"):
        train(last, Stripes(), seed=1, device=CPU, session=Spoil())


class NoWaiting(Session):
    """Fails on any operation between the first and the last step that needs a value on the host."""

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert func is not torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    def after_step(self, state):
        if state.step == 1:
            self.watch = self.Watch()
            self.watch.__enter__()
        if state.step == len(state.losses):
            self.watch.__exit__(None, None, None)


@pytest.mark.parametrize("network", ["i-resnext", "is-resnext"])
def test_no_step_waits_for_the_device(run, data, short, network, monkeypatch):
    """On a GPU that would be a synchronisation; the check after each step is for CPUs only."""
    monkeypatch.setattr(State, "raise_if_diverged", lambda self, since=0: None)
    run = short.run(f"fashion-mnist-short/{network}")
    session = NoWaiting()
    train(run, open_dataset(data), seed=1, device=CPU, session=session)
    with pytest.raises(AssertionError), session.watch:
        torch.ones(1).item()


def test_every_level_of_a_hierarchy_is_learned(recipe):
    run = Run(network=ISResNeXtParams(name="is-resnext", L=3, W=8, B=2, C=2, K=2), recipe=recipe)
    trained = train(run, Stripes(), seed=1, device=CPU, level_maps=[[0, 1, 2], [0, 0, 1]])
    assert trained.test.labels.shape == (2, 2, 24)
    assert [len(by_level) for by_level in trained.test.errors] == [2, 2]


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_the_joint_gradient_is_the_sum_of_the_separate_ones(name):
    torch.manual_seed(0)
    network = build(name, L=3, W=8, B=2, C=2, K=2, classes=3, image_size=8, image_channels=1)
    network.double()
    images = torch.randn(6, 1, 8, 8, dtype=torch.double)
    labels = torch.tensor([[0, 1, 2, 0, 1, 2]])
    joint_backward(network, images, labels, "sum")
    joint = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    for k in range(2):
        torch.nn.functional.cross_entropy(network(images)[k], labels[0]).backward()
    for p, expected in zip(network.parameters(), joint, strict=True):
        torch.testing.assert_close(p.grad, expected)


def test_mean_is_the_sum_divided_by_K():
    torch.manual_seed(0)
    network = build("is-resnext", L=3, W=8, B=2, C=2, K=2, classes=3, image_size=8)
    images, labels = torch.randn(4, 3, 8, 8), torch.tensor([[0, 1, 2, 0]])
    joint_backward(network, images, labels, "sum")
    total = network.stem.conv.weight.grad.clone()
    network.zero_grad()
    joint_backward(network, images, labels, "mean")
    torch.testing.assert_close(network.stem.conv.weight.grad * 2, total)


def test_labels_by_level_maps_classes_to_coarse_labels():
    labels = torch.tensor([2, 0, 1])
    maps = torch.tensor([[0, 1, 2], [0, 0, 1]])
    assert labels_by_level(labels, maps).tolist() == [[2, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("option", ["tf32", "cuda_graphs"])
def test_options_for_gpus_are_refused_without_one(option):
    with pytest.raises(ValueError, match="need a GPU"):
        Options(**{option: True}).check(CPU)


@pytest.mark.parametrize(
    ("size", "on_cpu", "on_gpu"), [(32, 250, 1000), (64, 250, 250), (96, 111, 111), (224, 64, 64)]
)
def test_an_evaluation_takes_fewer_large_images_at_once(size, on_cpu, on_gpu):
    assert evaluation_batch(size, CPU) == on_cpu
    assert evaluation_batch(size, torch.device("cuda")) == on_gpu


def test_steps_are_graphs_on_a_gpu_of_its_own_and_elsewhere_if_asked_for():
    cuda = torch.device("cuda")
    assert Options().graphs(cuda, world=1)
    assert not Options().graphs(cuda, world=2)
    assert not Options().graphs(CPU, world=1)
    assert Options(cuda_graphs=True).graphs(cuda, world=2)
    assert not Options(cuda_graphs=False).graphs(cuda, world=1)
    Options(cuda_graphs=True).check(cuda)


def test_training_and_evaluation_take_the_same_convolutions(run, monkeypatch):
    """Where the device has fast ones, as a GPU does."""
    chosen = []

    def fast(device):
        chosen.append(device)
        return FastConvolutions()

    short = replace(run, recipe=replace(run.recipe, epochs=1))
    plain = train(short, Stripes(), seed=1, device=CPU)
    monkeypatch.setattr(step, "fast_convolutions", fast)
    monkeypatch.setattr(loop, "fast_convolutions", fast)
    found = train(short, Stripes(), seed=1, device=CPU)
    assert len(chosen) == 3 + 2, "three steps, validation and test"
    assert torch.equal(found.test.labels, plain.test.labels)


def test_bf16_changes_training_and_not_the_type_of_weights(run):
    short = replace(run, recipe=replace(run.recipe, epochs=1))
    exact = train(short, Stripes(), seed=1, device=CPU)
    rounded = train(short, Stripes(), seed=1, device=CPU, options=Options(bf16=True))
    losses = (exact.history[0].train_losses, rounded.history[0].train_losses)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert {v.dtype for v in rounded.network.parameters()} == {torch.float32}


def test_a_network_with_released_weights_is_evaluated_and_not_changed(run):
    evaluated = replace(run, recipe=replace(run.recipe, epochs=0))
    trained = train(evaluated, Stripes(), seed=1, device=CPU)
    torch.manual_seed(1)
    built = build("i-resnext", L=3, W=8, B=2, C=2, K=2, classes=3, image_size=8, image_channels=1)
    weights = built.state_dict()
    assert all(torch.equal(v, weights[k]) for k, v in trained.network.state_dict().items())
    assert (trained.chosen_epoch, trained.history) == (0, [])
    assert len(trained.validation_errors) == len(trained.test.errors) == 2
