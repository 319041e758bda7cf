"""How long sub-networks and steps take on this machine, measured once and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median, quantiles

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from anyslice.costs.bench import machine, take_turns
from anyslice.networks.base import AnytimeNetwork
from anyslice.predict.cache import cached_path, keep_cached, read_cached
from anyslice.predict.engine import Engine, Features

ROUNDS = 100
SECONDS = 4.0
"""A measurement takes ROUNDS, or as many as fit into about SECONDS, and at least LEAST."""
LEAST = 9


@dataclass(frozen=True)
class Latency:
    """Milliseconds that something takes.

    Attributes:
        median: over the rounds.
        quartiles: a quarter of the rounds took less than the first, a quarter more than the second.
        high: what all but a twentieth of the rounds took at most.
    """

    median: float
    quartiles: tuple[float, float]
    high: float


@dataclass(frozen=True)
class LatencyTable:
    """What was measured of a network, and on what.

    Attributes:
        engine: with its version.
        machine: CPU, instructions, cores, threads.
        batch: images of a call.
        rounds: how often everything was timed, in turns.
        subnetworks: of sub-network 1 ... K by itself.
        steps: of step 1 ... K of refinement, each after the one before; empty if the network is not
            interruptible.
    """

    engine: str
    machine: dict[str, str | int]
    batch: int
    rounds: int
    subnetworks: tuple[Latency, ...]
    steps: tuple[Latency, ...]


def latency_table(
    network: AnytimeNetwork, engine: Engine, weights: str, batch: int
) -> LatencyTable:
    """The table of this machine, number of threads and engine: the one kept, or a new one.

    Args:
        network: what the engine runs.
        engine: see Engine.
        weights: their SHA-256.
        batch: images of a call.
    """
    facts = {"weights": weights, "engine": engine.name, "machine": machine(), "batch": batch}
    path = cached_path("latency", facts, ".json")
    kept = read_cached(path)
    if kept is not None:
        try:
            return TypeAdapter(LatencyTable).validate_json(kept)
        except ValidationError:
            pass  # written by another version, or damaged
    table = measure(network, engine, batch)
    keep_cached(path, json.dumps(asdict(table), indent=2).encode())
    return table


def measure(network: AnytimeNetwork, engine: Engine, batch: int) -> LatencyTable:
    """Time all sub-networks and steps in turns, after a first round that does not count."""
    side = network.image_size
    images = torch.zeros(batch, network.image_channels, side, side)
    actions = actions_of(network, engine, images)
    take_turns(actions, 1)
    start = time.perf_counter()
    take_turns(actions, 1)
    fitting = SECONDS / max(time.perf_counter() - start, 1e-9)
    rounds = max(LEAST, min(ROUNDS, int(fitting)))
    found = {name: _latency(times) for name, times in take_turns(actions, rounds).items()}
    names = range(1, network.K + 1)
    return LatencyTable(
        engine=engine.name,
        machine=machine(),
        batch=batch,
        rounds=rounds,
        subnetworks=tuple(found[f"subnetwork {k}"] for k in names),
        steps=tuple(found[f"step {k}"] for k in names if f"step {k}" in found),
    )


def actions_of(
    network: AnytimeNetwork, engine: Engine, images: Tensor
) -> Mapping[str, Callable[[], object]]:
    """Each sub-network on the images and, of interruptible networks, each step in its turn."""
    actions: dict[str, Callable[[], object]] = {
        f"subnetwork {k}": lambda k=k: engine.subnetwork(k, images)  # type: ignore[misc]
        for k in range(1, network.K + 1)
    }
    if not is_interruptible(network):
        return actions
    left: dict[int, Features] = {0: ()}

    def step(k: int) -> None:
        _, left[k] = engine.step(k, images, left[k - 1])

    return actions | {f"step {k}": lambda k=k: step(k) for k in range(1, network.K + 1)}


def is_interruptible(network: AnytimeNetwork) -> bool:
    """Whether its sub-networks re-use what smaller ones computed."""
    try:
        return bool(network.steps())
    except TypeError:
        return False


def _latency(seconds: list[float]) -> Latency:
    times = [1e3 * s for s in seconds]
    first, _, third = quantiles(times, n=4)
    return Latency(median(times), (first, third), quantiles(times, n=20)[-1])
