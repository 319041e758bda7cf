"""How long sub-networks and steps take on this machine, measured once and kept."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from anyslice.config.families import FAMILIES
from anyslice.costs.bench import take_turns
from anyslice.costs.machine import Machine, this_machine
from anyslice.costs.macs import is_interruptible
from anyslice.errors import AnysliceError
from anyslice.networks.base import AnytimeNetwork
from anyslice.predict.cache import cached_path, kept_or_made
from anyslice.predict.engine import Engine, Features
from anyslice.predict.run_folder import TrainedRun

ROUNDS = 200
SECONDS = 4.0
"""A measurement takes ROUNDS, or as many as fit into about SECONDS, and at least LEAST."""
LEAST = 9


@dataclass(frozen=True)
class Latency:
    """Milliseconds that something takes.

    Attributes:
        median: over the rounds.
        quartiles: a quarter of the rounds took less than the first, a quarter more than the second.
        high: what all but a hundredth of the rounds took at most.
    """

    median: float
    quartiles: tuple[float, float]
    high: float


@dataclass(frozen=True)
class LatencyTable:
    """What was measured of a network, and on what.

    Attributes:
        engine: with its version.
        machine: with the engine's threads.
        batch: images of a call.
        rounds: how often everything was timed, in turns.
        subnetworks: of sub-network 1 ... K by itself.
        steps: of step 1 ... K of refinement, each after the one before; empty if the network is not
            interruptible.
    """

    engine: str
    machine: Machine
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
    here = asdict(this_machine(engine.threads))
    facts = {"weights": weights, "engine": engine.name, "machine": here, "batch": batch}
    path = cached_path("latency", facts, ".json")
    table = kept_or_made(
        path, lambda: json.dumps(asdict(measure(network, engine, batch)), indent=2).encode()
    )
    return TypeAdapter(LatencyTable).validate_json(table)


def measure(network: AnytimeNetwork, engine: Engine, batch: int) -> LatencyTable:
    """Time all sub-networks and steps."""
    rounds, found = time_in_turns(actions_of(network, engine, zeros(network, batch)))
    names = range(1, network.K + 1)
    return LatencyTable(
        engine=engine.name,
        machine=this_machine(engine.threads),
        batch=batch,
        rounds=rounds,
        subnetworks=tuple(found[f"subnetwork {k}"] for k in names),
        steps=tuple(found[f"step {k}"] for k in names if f"step {k}" in found),
    )


def time_in_turns(
    actions: Mapping[str, Callable[[], object]], *, warm: bool = False
) -> tuple[int, dict[str, Latency]]:
    """Rounds and what each action takes; the first two rounds do not count. See `take_turns`."""
    take_turns(actions, 1)
    start = time.perf_counter()
    take_turns(actions, 1, warm=warm)
    fitting = SECONDS / max(time.perf_counter() - start, 1e-9)
    rounds = max(LEAST, min(ROUNDS, int(fitting)))
    return rounds, {name: _latency(s) for name, s in take_turns(actions, rounds, warm=warm).items()}


def zeros(network: AnytimeNetwork, batch: int) -> Tensor:
    """Images of the network's format."""
    side = network.image_size
    return torch.zeros(batch, network.image_channels, side, side)


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


def until_steps(steps: Sequence[Latency]) -> tuple[float, ...]:
    """Milliseconds within which step 1 ... K are expected to be done, one after the other.

    The last one may take long; that all before it do too is unlikely.
    """
    before = accumulate((step.median for step in steps[:-1]), initial=0.0)
    return tuple(start + step.high for start, step in zip(before, steps, strict=False))


@dataclass(frozen=True)
class Expected:
    """Milliseconds within which calls for so many images are expected to be done.

    Attributes:
        alone: each sub-network by itself.
        by_steps: each by the steps that lead to it; empty if it is not reached so.
        steps: each step by itself, likewise.
        naming: making answers of logits.
    """

    alone: tuple[float, ...]
    by_steps: tuple[float, ...]
    steps: tuple[float, ...]
    naming: float


class Slowdown:
    """How many times as long as measured calls take now, beside other work for instance."""

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=100)

    def add(self, ratio: float) -> None:
        """What a call took, over what it was expected to take at most."""
        self._ratios.append(ratio)

    @property
    def factor(self) -> float:
        """The most that the last calls needed, but for a twentieth of them or one; 1 or more."""
        left_out = max(1, len(self._ratios) // 20)
        return max([1.0, *sorted(self._ratios)[:-left_out][-1:]])


@dataclass(frozen=True)
class TimedWay:
    """What a sub-network takes in one way to run it; a row of `anyslice latency`.

    Attributes:
        run: its name.
        family: of the network, as figures name it.
        subnetwork: 1 ... K.
        macs: multiply-adds of an image.
        error: on the test images, in percent, of the finest labels.
        batch: images of a call.
        engine: its name, "eager" or "all exits".
        milliseconds: the median over the rounds.
        lower_quartile, upper_quartile: likewise.
        rounds: how often it was timed.
        network_name: of the family in scales; files of an earlier version have none.
    """

    run: str
    family: str
    subnetwork: int
    macs: int
    error: float
    batch: int
    engine: str
    milliseconds: float
    lower_quartile: float
    upper_quartile: float
    rounds: int
    network_name: str = ""


@dataclass(frozen=True)
class Comparison:
    """What `anyslice latency` measures, and on what."""

    machine: Machine
    rows: Annotated[tuple[TimedWay, ...], Field(min_length=1)]


def read_comparison(path: Path) -> Comparison:
    """What `anyslice latency --output` wrote.

    Raises:
        AnysliceError: if it is something else, or a network's family is not to be found.
    """
    try:
        found = TypeAdapter(Comparison).validate_json(path.read_bytes())
    except ValidationError:
        raise AnysliceError(
            f"{path} is not what `anyslice latency RUN... --output` writes"
        ) from None
    for name in {row.network_name for row in found.rows} - {""}:
        FAMILIES[name]  # one outside the package is known from now on
    return found


def compare_with_eager(run: TrainedRun, engine: Engine, batch: int) -> list[TimedWay]:
    """One row for each sub-network and way to run it, all timed in turns, each warm.

    "eager" is what public code does: PyTorch's modules called one by one. "all exits" is what the
    public ports of networks with early exits do: they compute all, whichever is used.

    Args:
        run: a trained run.
        engine: see Engine.
        batch: images of a call.
    """
    network, images = run.network, zeros(run.network, batch)
    ours = actions_of(network, engine, images)
    modules = {k: network.subnetwork(k).eval() for k in range(1, network.K + 1)}
    eager = {f"eager {k}": _eager(module, images) for k, module in modules.items()}
    public = {"all exits": _eager(network, images)}
    rounds, found = time_in_turns({**ours, **eager, **public}, warm=True)
    rows = []
    for k in modules:
        ways = {
            engine.name: found[f"subnetwork {k}"],
            "eager": found[f"eager {k}"],
            "all exits": found["all exits"],
        }
        for way, latency in ways.items():
            rows.append(
                TimedWay(
                    run=run.name,
                    family=run.family,
                    subnetwork=k,
                    macs=run.deployment.macs[k - 1],
                    error=run.test_error[k - 1][0],
                    batch=batch,
                    engine=way,
                    milliseconds=latency.median,
                    lower_quartile=latency.quartiles[0],
                    upper_quartile=latency.quartiles[1],
                    rounds=rounds,
                    network_name=run.network_name,
                )
            )
    return rows


def _eager(module: nn.Module, images: Tensor) -> Callable[[], object]:
    def call() -> object:
        with torch.inference_mode():
            return module(images)

    return call


def _latency(seconds: list[float]) -> Latency:
    times = [1e3 * s for s in seconds]
    first, _, third = quantiles(times, n=4)
    return Latency(median(times), (first, third), quantiles(times, n=100, method="inclusive")[-1])
