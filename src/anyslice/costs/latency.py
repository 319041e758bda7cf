"""How long the sub-networks of exported folders take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from anyslice.config.families import FAMILIES, refuse_unless_trusted
from anyslice.costs.machine import Machine
from anyslice.costs.steps import take_turns
from anyslice.errors import AnysliceError
from anyslice.runtime import AnytimePredictor

ROUNDS = 200
SECONDS = 4.0
"""A measurement takes ROUNDS, or as many as fit into about SECONDS, and at least LEAST."""
LEAST = 9


@dataclass(frozen=True)
class TimedWay:
    """What a sub-network takes in one way to run it; a row of `anyslice latency`.

    Attributes:
        run: its name.
        family: of the network, as figures name it.
        subnetwork: 1 ... K.
        macs: multiply-adds of an image.
        error: on the test images, in percent, of the finest labels.
        engine: its name; files of an earlier version also have "eager" and "all exits".
        milliseconds: the median over the rounds.
        lower_quartile, upper_quartile: in milliseconds.
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


def read_comparison(path: Path, *, trust: bool = False) -> Comparison:
    """What `anyslice latency --output` wrote.

    Args:
        trust: that modules of families outside the package may be imported, for their colours.

    Raises:
        AnysliceError: if it is something else, or a network's family is not to be found.
    """
    try:
        found = TypeAdapter(Comparison).validate_json(path.read_bytes())
    except ValidationError:
        raise AnysliceError(
            f"{path} is not what `anyslice latency MODEL... --output` writes"
        ) from None
    for name in {row.network_name for row in found.rows} - {""}:
        refuse_unless_trusted(name, path, trust)
        FAMILIES[name]  # one outside the package is known from now on
    return found


def time_subnetworks(predictor: AnytimePredictor, batch: int) -> list[TimedWay]:
    """One row for each sub-network, all timed in turns, each warm."""
    model = predictor.model
    images = model.images
    zeros = np.zeros((batch, images.channels, images.size, images.size), np.float32)
    rounds, found = _in_turns(
        {str(k): partial(predictor.logits, k, zeros) for k in range(1, predictor.K + 1)}
    )
    rows = []
    for k in range(1, predictor.K + 1):
        times = [1e3 * seconds for seconds in found[str(k)]]
        lower, _, upper = quantiles(times, n=4)
        rows.append(
            TimedWay(
                run=str(model.about["name"]),
                family=str(model.about["family"]),
                subnetwork=k,
                macs=model.macs[k - 1],
                error=model.test_error[k - 1][0],
                batch=batch,
                engine=f"onnxruntime {version('onnxruntime')}",
                milliseconds=median(times),
                lower_quartile=lower,
                upper_quartile=upper,
                rounds=rounds,
                network_name=str(model.about["training"]["network"]["name"]),
            )
        )
    return rows


def _in_turns(
    actions: Mapping[str, Callable[[], object]],
) -> tuple[int, dict[str, list[float]]]:
    """Rounds and seconds of each action; the first two rounds do not count. See `take_turns`."""
    take_turns(actions, 1)
    start = time.perf_counter()
    take_turns(actions, 1, warm=True)
    fitting = SECONDS / max(time.perf_counter() - start, 1e-9)
    rounds = max(LEAST, min(ROUNDS, int(fitting)))
    return rounds, take_turns(actions, rounds, warm=True)
