"""How long trainings may take on a GPU: an estimate from their MACs, before one has been tried.

A training's multiply-adds, over the rate at which the GPU does them: its peak, times the share of
the peak that the network's family reaches. The shares are those that `anyslice bench` measures of
the plain modules on a CPU (GPUs have no other: our kernels are for CPUs), so the estimate takes a
GPU to be kept as busy as PyTorch keeps a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

from anyslice.config.dataset import Description
from anyslice.config.scale import Run

TERA = 1e12
SECONDS = 3600


@dataclass(frozen=True)
class Estimate:
    """What one training of a run may take.

    Attributes:
        run: "<dataset>/<run>".
        teramacs: multiply-adds of the whole training, in 10^12.
        share: of the GPU's peak that is reached.
        gpu_hours: of all its GPUs together.
        gpus: that work together.
    """

    run: str
    teramacs: float
    share: float
    gpu_hours: float
    gpus: int

    @property
    def wall_hours(self) -> float:
        """If N GPUs are N times as fast as one."""
        return self.gpu_hours / max(1, self.gpus)


def teramacs_of(run: Run, forward_macs: int, data: Description) -> float:
    """Multiply-adds of a training, in 10^12, without the single pass over the test images.

    A step forward and back is three forward passes: the backward one has a product for the inputs'
    gradients and one for the weights'. Each epoch ends with a forward pass over the validation
    images.

    Args:
        run: with its epochs.
        forward_macs: of all K sub-networks for one image, what they share once.
        data: the data set's description.
    """
    images = 3 * data.counts.train + data.counts.validation
    return run.recipe.epochs * images * forward_macs / TERA


def shares_of_peak(bench: Mapping[str, Any]) -> dict[str, float]:
    """The plain modules' share of the peak by family, of what `anyslice bench` wrote.

    Means over the sizes of a family.
    """
    speeds = bench["networks"].values()
    families = {speed["network"] for speed in speeds}
    return {
        family: mean(
            speed["matmul_share"] / speed["plain_over_tuned"]
            for speed in speeds
            if speed["network"] == family
        )
        for family in families
    }


def estimate(name: str, teramacs: float, gpus: int, share: float, peak: float) -> Estimate:
    """The estimate for one training.

    Args:
        name: "<dataset>/<run>".
        teramacs: of the training.
        gpus: that it runs on.
        share: of the peak that its family reaches.
        peak: of one GPU, in 10^12 multiply-adds per second: half of its TFLOP/s.
    """
    return Estimate(name, teramacs, share, teramacs / (peak * share) / SECONDS, gpus)


def as_markdown(estimates: Iterable[Estimate], seeds: int) -> str:
    """The estimates as a table, two digits each, with the sum over all runs and seeds."""
    lines = [
        "| run | 10^15 MACs | share of peak | GPUs | hours | GPU hours | "
        f"GPU hours, {seeds} seeds |",
        "|--|--:|--:|--:|--:|--:|--:|",
    ]
    total = 0.0
    for row in estimates:
        total += row.gpu_hours * seeds
        amounts = [row.wall_hours, row.gpu_hours, row.gpu_hours * seeds]
        hours = " | ".join(map(_two_digits, amounts))
        lines.append(
            f"| {row.run} | {_two_digits(row.teramacs / 1e3)} | {row.share:.1%} | {row.gpus} "
            f"| {hours} |"
        )
    return "\n".join([*lines, f"| all | | | | | | {total:.0f} |"])


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
