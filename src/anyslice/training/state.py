"""The state of a training: everything a checkpoint holds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from anyslice.errors import DivergedError
from anyslice.networks.base import AnytimeNetwork

Errors = list[list[float]]
"""Percent of images that are classified wrongly, by sub-network and level: K lists of D."""

MOMENTUM = "momentum_buffer"
"""What torch.optim.SGD calls a parameter's momentum; there is none before the first step."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch did: a row of history.csv.

    Attributes:
        epoch: counted from 1.
        learning_rate: of its last step.
        train_losses: mean loss of each of the K sub-networks over the epoch.
        validation_errors: after the epoch.
        images_per_second: of training alone, since the last start.
    """

    epoch: int
    learning_rate: float
    train_losses: list[float]
    validation_errors: Errors
    images_per_second: float


def start_momentum(optimiser: torch.optim.SGD) -> None:
    """Give every parameter that has no momentum yet one of zeros."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            state = optimiser.state[parameter]
            if MOMENTUM not in state:
                state[MOMENTUM] = torch.zeros_like(parameter)


class State:
    """A training between two steps.

    Attributes:
        network: being trained.
        optimiser: SGD over its parameters.
        epoch: the one being trained, counted from 1; after the last one, the number of epochs + 1.
        step: steps of it that are done.
        losses: (steps, K), of each sub-network at each step of the epoch, kept on the device.
        history: the epochs that are done.
        best_epoch: the one whose weights are kept, 0 before there is one.
        best_weights: its weights; None while they are the network's own.
        seconds_before: wall time spent before this process.
    """

    def __init__(self, network: AnytimeNetwork, optimiser: torch.optim.SGD, steps: int) -> None:
        self.network, self.optimiser = network, optimiser
        self._learning_rate = float(optimiser.param_groups[0]["lr"])
        device = next(network.parameters()).device
        self.epoch, self.step = 1, 0
        self.losses = torch.zeros(steps, network.K, device=device)
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] | None = None
        self.seconds_before = 0.0
        self._start = time.monotonic()

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = value
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):  # a CUDA graph reads it where it is
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    @property
    def seconds(self) -> float:
        """Wall time of the training, over all processes that worked on it."""
        return self.seconds_before + time.monotonic() - self._start

    @property
    def place(self) -> str:
        """The last step that is done, for people."""
        if self.step or not self.history:
            return f"epoch {self.epoch}, step {self.step}"
        return f"epoch {self.epoch - 1}, step {len(self.losses)}"

    def end_epoch(self, epoch: Epoch, *, selection: str) -> None:
        """Record an epoch, remember its weights if they are to be kept, begin the next."""
        full_error = epoch.validation_errors[-1][0]
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        self.history.append(epoch)
        if selection == "last":
            self.best_epoch = epoch.epoch
        elif best is None or full_error < best.validation_errors[-1][0]:
            self.best_epoch = epoch.epoch
            self.best_weights = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.epoch, self.step = epoch.epoch + 1, 0

    def raise_if_diverged(self, *, since: int = 0) -> None:
        """Look for losses that are not finite in the steps of this epoch; waits for the device.

        Raises:
            DivergedError: naming step, learning rate and sub-network of the first one.
        """
        finite = self.losses[since : self.step].isfinite()
        if finite.all():
            return
        step, k = (~finite).nonzero()[0].tolist()
        raise DivergedError(
            f"the loss of sub-network {k + 1} is {self.losses[since + step, k].item()} at step "
            f"{since + step + 1} of epoch {self.epoch} (learning rate {self.learning_rate:g}): "
            "the training diverged"
        )

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU and contiguous."""
        named = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        named |= {f"best.{k}": v for k, v in (self.best_weights or {}).items()}
        named |= {
            f"momentum.{k}": self.optimiser.state[p][MOMENTUM]
            for k, p in enumerate(self.network.parameters())
            if MOMENTUM in self.optimiser.state[p]
        }
        named["losses"] = self.losses[: self.step]
        named["rng"] = torch.get_rng_state()
        return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}

    def numbers(self) -> dict[str, Any]:
        """Everything else, as JSON takes it."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "best_epoch": self.best_epoch,
            "history": [asdict(epoch) for epoch in self.history],
            "seconds": self.seconds,
        }

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Go to where `tensors` and `numbers` were taken, exactly."""
        self.network.load_state_dict(_below("network.", tensors))
        best = _below("best.", tensors)
        self.best_weights = best or None
        if "momentum.0" in tensors:
            start_momentum(self.optimiser)
            for k, parameter in enumerate(self.network.parameters()):
                self.optimiser.state[parameter][MOMENTUM].copy_(tensors[f"momentum.{k}"])
        self.epoch, self.step = numbers["epoch"], numbers["step"]
        self.losses[: self.step] = tensors["losses"].to(self.losses.device)
        self.best_epoch = numbers["best_epoch"]
        self.history = [Epoch(**epoch) for epoch in numbers["history"]]
        self.seconds_before = numbers["seconds"]
        torch.set_rng_state(tensors["rng"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
