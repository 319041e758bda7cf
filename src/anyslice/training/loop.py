"""One training: a run with a seed, from initial weights to test errors.

Reads top to bottom: `train` sets up and goes to the last checkpoint if there is one, then for each
epoch trains, validates and remembers the weights to keep; at the end it measures the test error of
every sub-network once. Between steps it calls the session, which checkpoints, reports and stops.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from anyslice.config.scale import Recipe, Run
from anyslice.datasets.dataset import Augmentation, Dataset
from anyslice.errors import DivergedError
from anyslice.networks import Task, make
from anyslice.networks.base import AnytimeNetwork
from anyslice.networks.heads import levels
from anyslice.networks.initialise import initialise
from anyslice.training.convolutions import fast_convolutions
from anyslice.training.distributed import Processes
from anyslice.training.loss import labels_by_level
from anyslice.training.options import Options
from anyslice.training.schedule import learning_rate
from anyslice.training.session import Session
from anyslice.training.state import Epoch, Errors, State, start_momentum
from anyslice.training.step import Step, make_step

LARGEST_EVALUATION = {"cpu": 250, "cuda": 1000}
"""Images of an evaluation's batch by type of device, if they are small."""

EVALUATION_PIXELS = 1000 * 32**2
"""Of a batch of larger ones: it takes no more memory than training, and one worker decodes it."""


@dataclass(frozen=True)
class Predicted:
    """The labels that a network of K sub-networks gives N images, at D levels.

    Attributes:
        labels: (K, D, N).
        truth: (D, N).
    """

    labels: Tensor
    truth: Tensor

    @property
    def errors(self) -> Errors:
        """Percent wrong of each sub-network at each level."""
        errors: Errors = ((self.labels != self.truth).double().mean(dim=2) * 100).tolist()
        return errors


@dataclass(frozen=True)
class Trained:
    """The outcome of a training.

    Attributes:
        network: with the weights of the chosen epoch, in eval mode, on the CPU.
        chosen_epoch: counted from 1; 0 where there was none.
        history: every epoch.
        validation_errors: of the chosen epoch.
        test: what the chosen weights make of the test images; None where it was not asked for.
        seconds: wall time, data loading and evaluation included.
    """

    network: AnytimeNetwork
    chosen_epoch: int
    history: list[Epoch]
    validation_errors: Errors
    test: Predicted | None
    seconds: float


def train(
    run: Run,
    dataset: Dataset,
    seed: int,
    *,
    device: torch.device,
    level_maps: Sequence[Sequence[int]] | None = None,
    test: bool = True,
    session: Session | None = None,
    processes: Processes = Processes(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
) -> Trained:
    """Train a run with a seed.

    Args:
        seed: of the initial weights, the order of the images and their augmentation.
        level_maps: for each level the label of every class (a hierarchy), or None.
        test: predict the test images at the end; a pilot must not.
        session: what is done between the steps; nothing by default.
        processes: those that train together.
        options: faster execution.

    Raises:
        DivergedError: if a loss or a weight is not finite.
        Interrupted: if the session was asked to stop.
    """
    session = session or Session()
    recipe = run.recipe
    maps = torch.tensor(level_maps or [range(len(dataset.class_names))], device=device)
    network = make_network(run, dataset, seed, maps).to(device)
    network = network.to(memory_format=torch.channels_last)
    optimiser = make_optimiser(network, recipe, device)
    steps = dataset.steps_per_epoch(recipe.batch_size)
    state = State(network, optimiser, steps)
    session.restore(state)
    step = make_step(network, optimiser, recipe.loss, processes, options, device)

    while state.epoch <= recipe.epochs:
        speed = train_epoch(state, step, dataset, recipe, maps, seed, session, processes)
        errors = predict(network, dataset, "validation", maps, session, processes).errors
        losses = state.losses.mean(0).tolist()
        rate = learning_rate(recipe, state.epoch * steps - 1, steps)
        epoch = Epoch(state.epoch, rate, losses, errors, speed)
        state.end_epoch(epoch, selection=recipe.selection)
        session.after_epoch(state)

    session.before_test(state)
    if state.best_weights is not None:
        network.load_state_dict(state.best_weights)
    raise_unless_finite(network)
    if state.history:
        validation_errors = state.history[state.best_epoch - 1].validation_errors
    else:
        validation_errors = predict(network, dataset, "validation", maps, session, processes).errors
    tested = predict(network, dataset, "test", maps, session, processes) if test else None
    return Trained(
        network=network.eval().cpu(),
        chosen_epoch=state.best_epoch,
        history=state.history,
        validation_errors=validation_errors,
        test=tested,
        seconds=state.seconds,
    )


def make_network(run: Run, dataset: Dataset, seed: int, level_maps: Tensor) -> AnytimeNetwork:
    """The run's network for this data set, with initial weights sampled from the seed.

    A network that is not trained keeps the weights it was built with: released ones.
    """
    counts = tuple((level_maps.amax(1) + 1).tolist())
    torch.manual_seed(seed)
    classes = counts[0] if len(counts) == 1 else counts
    network = make(run.network, Task(classes, dataset.image_size, dataset.image_channels))
    if run.recipe.epochs:
        initialise(network, run.recipe.initialisation)
    return network


def make_optimiser(
    network: AnytimeNetwork, recipe: Recipe, device: torch.device
) -> torch.optim.SGD:
    """SGD as the recipe says.

    On a GPU its learning rate is a tensor there and its momentum begins as zeros, which a CUDA
    graph needs; the first momentum is 0 + gradient either way.
    """
    on_gpu = device.type == "cuda"
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=torch.tensor(recipe.learning_rate, device=device) if on_gpu else recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    if on_gpu:
        start_momentum(optimiser)
    return optimiser


def train_epoch(
    state: State,
    step: Step,
    dataset: Dataset,
    recipe: Recipe,
    level_maps: Tensor,
    seed: int,
    session: Session,
    processes: Processes,
) -> float:
    """The rest of an epoch, from the state's step on; the images per second.

    On a GPU no step waits for the device: losses stay there and are looked at when the epoch ends.

    Raises:
        DivergedError: if a loss is not finite, naming step, learning rate and sub-network.
    """
    state.network.train()
    device = level_maps.device
    start, first = time.monotonic(), state.step
    for images, labels in dataset.train_batches(
        seed=seed,
        epoch=state.epoch,
        batch_size=recipe.batch_size,
        device=device,
        augmentation=Augmentation(recipe.flip, recipe.padding, recipe.large_images),
        start_step=first,
        rank=processes.rank,
        world=processes.world,
    ):
        done = (state.epoch - 1) * len(state.losses) + state.step
        state.learning_rate = learning_rate(recipe, done, len(state.losses))
        state.losses[state.step] = step(images, labels_by_level(labels, level_maps))
        state.step += 1
        if device.type == "cpu":
            state.raise_if_diverged(since=state.step - 1)
        session.after_step(state)
    state.raise_if_diverged()
    return (state.step - first) * recipe.batch_size / max(time.monotonic() - start, 1e-9)


@torch.no_grad()
def predict(
    network: AnytimeNetwork,
    dataset: Dataset,
    part: str,
    level_maps: Tensor,
    session: Session,
    processes: Processes,
) -> Predicted:
    """The labels of all images of "validation" or "test", on the CPU.

    Each process takes every `world`-th batch.
    """
    network.eval()
    device, world = level_maps.device, processes.world
    batch_size = evaluation_batch(dataset.image_size, device)
    mine = dataset.eval_batches(
        part, batch_size=batch_size, device=device, rank=processes.rank, world=world
    )
    done: list[tuple[Tensor, Tensor]] = []
    for _ in range(math.ceil(dataset.counts[part] / (batch_size * world))):
        if (batch := next(mine, None)) is not None:
            with fast_convolutions(device):
                outputs = [levels(logits) for logits in network(batch.images)]
            predicted = [torch.stack([out.argmax(1) for out in outs]) for outs in outputs]
            truth = labels_by_level(batch.labels, level_maps)
            done.append((torch.stack(predicted).cpu(), truth.cpu()))
        session.while_evaluating()
    in_order = [
        batch
        for round_ in zip_longest(*processes.gather(done))
        for batch in round_
        if batch is not None
    ]
    predictions, labels = zip(*in_order, strict=True)
    return Predicted(torch.cat(predictions, dim=2), torch.cat(labels, dim=1))


def evaluation_batch(image_size: int, device: torch.device) -> int:
    """Images of a batch in evaluation, where BN's running statistics make any number equal."""
    return min(LARGEST_EVALUATION[device.type], max(64, EVALUATION_PIXELS // image_size**2))


def raise_unless_finite(network: AnytimeNetwork) -> None:
    """Look at the weights once, since the last step's loss does not show what that step did.

    Raises:
        DivergedError: naming the first tensor that is not finite.
    """
    for name, tensor in network.state_dict().items():
        if not tensor.isfinite().all():
            raise DivergedError(f"{name} of the network is not finite: the training diverged")
