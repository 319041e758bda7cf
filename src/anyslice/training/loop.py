"""One training: a run with a seed, from initial weights to test errors.

Reads top to bottom: `train` sets up, then for each epoch trains, validates and remembers the
weights to keep; at the end it measures the test error of every sub-network once.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anyslice.datasets import Dataset
from anyslice.networks import AnytimeNetwork, build
from anyslice.networks.heads import levels
from anyslice.networks.initialise import initialise
from anyslice.params import Recipe, Run, hyperparameters
from anyslice.training.loss import joint_backward, labels_by_level

Errors = list[list[float]]
"""Percent of images that are classified wrongly, by sub-network and level: K lists of D."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch did: a row of history.csv.

    Attributes:
        epoch: counted from 1.
        learning_rate: of all its steps.
        train_losses: mean loss of each of the K sub-networks over the epoch.
        validation_errors: after the epoch.
        images_per_second: of training alone.
    """

    epoch: int
    learning_rate: float
    train_losses: list[float]
    validation_errors: Errors
    images_per_second: float


@dataclass(frozen=True)
class Trained:
    """The outcome of a training.

    Attributes:
        network: with the weights of the chosen epoch, in eval mode, on the CPU.
        chosen_epoch: counted from 1.
        history: every epoch.
        validation_errors: of the chosen epoch.
        test_errors: of the chosen weights.
        test_predictions: (K, D, N) predicted labels.
        test_labels: (D, N).
        seconds: wall time, data loading and evaluation included.
    """

    network: AnytimeNetwork
    chosen_epoch: int
    history: list[Epoch]
    validation_errors: Errors
    test_errors: Errors
    test_predictions: Tensor
    test_labels: Tensor
    seconds: float


def train(
    run: Run,
    dataset: Dataset,
    seed: int,
    *,
    device: torch.device,
    level_maps: Sequence[Sequence[int]] | None = None,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> Trained:
    """Train a run with a seed.

    Args:
        run: network and recipe.
        dataset: prepared images.
        seed: of the initial weights, the order of the images and their augmentation.
        device: where to train.
        level_maps: for each level the label of every class (a hierarchy), or None.
        report: called after each epoch.

    Raises:
        FloatingPointError: if the loss is not finite.
    """
    start = time.monotonic()
    recipe = run.recipe
    maps = level_maps or [list(range(len(dataset.class_names)))]
    network = make_network(run, dataset, seed, maps).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    history: list[Epoch] = []
    best_error, best_state, best_epoch = float("inf"), network.state_dict(), 0

    for epoch in range(1, recipe.epochs + 1):
        lr = learning_rate(recipe, epoch)
        for group in optimiser.param_groups:
            group["lr"] = lr
        epoch_start = time.monotonic()
        losses = train_epoch(network, optimiser, dataset, recipe, maps, seed, epoch, device)
        speed = dataset.counts["train"] / (time.monotonic() - epoch_start)
        errors = errors_of(predict(network, dataset, "validation", maps, device))
        history.append(Epoch(epoch, lr, losses, errors, speed))
        report(history[-1])
        full_error = errors[-1][0]
        if recipe.selection == "last" or full_error < best_error:
            best_error, best_epoch = full_error, epoch
            best_state = copy.deepcopy(network.state_dict())

    network.load_state_dict(best_state)
    test = predict(network, dataset, "test", maps, device)
    return Trained(
        network=network.eval().cpu(),
        chosen_epoch=best_epoch,
        history=history,
        validation_errors=history[best_epoch - 1].validation_errors,
        test_errors=errors_of(test),
        test_predictions=test[0].cpu(),
        test_labels=test[1].cpu(),
        seconds=time.monotonic() - start,
    )


def make_network(
    run: Run, dataset: Dataset, seed: int, level_maps: Sequence[Sequence[int]]
) -> AnytimeNetwork:
    """The run's network for this data set, with initial weights drawn from the seed."""
    counts = tuple(max(labels) + 1 for labels in level_maps)
    torch.manual_seed(seed)
    network = build(
        run.network.name,
        classes=counts[0] if len(counts) == 1 else counts,
        image_size=dataset.image_size,
        image_channels=dataset.image_channels,
        **hyperparameters(run.network),
    )
    initialise(network, run.recipe.initialisation)
    return network


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: it drops after the given fractions."""
    drops = sum(epoch > round(fraction * recipe.epochs) for fraction in recipe.lr_drops)
    return recipe.learning_rate * recipe.lr_factor**drops


def train_epoch(
    network: AnytimeNetwork,
    optimiser: torch.optim.Optimizer,
    dataset: Dataset,
    recipe: Recipe,
    level_maps: Sequence[Sequence[int]],
    seed: int,
    epoch: int,
    device: torch.device,
) -> list[float]:
    """One pass over the training images; the mean loss of each of the K sub-networks.

    Raises:
        FloatingPointError: if a loss is not finite, naming the epoch and the sub-network.
    """
    network.train()
    total = torch.zeros(network.K, device=device)
    steps = 0
    for images, labels in dataset.train_batches(
        seed=seed,
        epoch=epoch,
        batch_size=recipe.batch_size,
        device=device,
        padding=recipe.padding,
    ):
        optimiser.zero_grad()
        total += joint_backward(network, images, labels_by_level(labels, level_maps), recipe.loss)
        optimiser.step()
        steps += 1
    losses: list[float] = (total / steps).tolist()
    for k, loss in enumerate(losses, start=1):
        if not torch.isfinite(torch.tensor(loss)):
            raise FloatingPointError(
                f"the loss of sub-network {k} is {loss} in epoch {epoch} "
                f"(learning rate {learning_rate(recipe, epoch):g}): the training diverged"
            )
    return losses


@torch.no_grad()
def predict(
    network: AnytimeNetwork,
    dataset: Dataset,
    part: str,
    level_maps: Sequence[Sequence[int]],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Predicted labels (K, D, N) and true labels (D, N) of "validation" or "test"."""
    network.eval()
    predictions, truth = [], []
    for images, labels in dataset.eval_batches(part, batch_size=250, device=device):
        outputs = [levels(logits) for logits in network(images)]
        predictions.append(
            torch.stack([torch.stack([out.argmax(1) for out in outs]) for outs in outputs])
        )
        truth.append(labels_by_level(labels, level_maps))
    return torch.cat(predictions, dim=2), torch.cat(truth, dim=1)


def errors_of(predicted: tuple[Tensor, Tensor]) -> Errors:
    """Percent wrong of each sub-network at each level."""
    predictions, labels = predicted
    errors: Errors = ((predictions != labels).double().mean(dim=2) * 100).tolist()
    return errors
