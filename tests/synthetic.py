"""Results of a scale without trainings: errors from a formula, files as a training writes them."""

from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

from anyslice.config.families import NetworkParams, SideBySide
from anyslice.config.scale import Scale
from anyslice.files import write_json
from anyslice.paths import METRICS, TIMING, flops_file, training_folder

Errors = Callable[[str, str, int, int, int], float]
"""Dataset, run, sub-network k, seed, level -> error in percent."""


def write_results(scale: Scale, results: Path, errors: Errors, macs: Callable[..., float]) -> None:
    """Write flops/ and runs/ of every run that a figure shows.

    `macs` gives the MACs of (run name, network, k).
    """
    for name in scale.shown:
        settings = scale.run(name)
        dataset, _, run = name.partition("/")
        costs = [
            round(macs(run, settings.network, k))
            for k in range(1, settings.network.subnetworks + 1)
        ]
        apart = settings.network.name == "i-resnext"
        write_json(
            flops_file(results, name),
            {
                "macs": costs,
                "all_ops": [round(1.05 * cost) for cost in costs],
                "params": costs,
                "cumulative_macs": list(accumulate(costs)) if apart else costs,
                "passes": len(costs) if apart else 1,
                "stored_params": costs[-1] * (1.2 if "shared" in run else 1.5),
            },
        )
        D = 3 if settings.hierarchy else 1
        for seed in scale.seeds:
            folder = training_folder(results, name, seed)
            by_level = [
                [errors(dataset, run, k, seed, d) for d in range(1, D + 1)]
                for k in range(1, len(costs) + 1)
            ]
            write_json(
                folder / METRICS,
                {
                    "test_error": [of_k[0] for of_k in by_level],
                    "validation_error": [of_k[0] for of_k in by_level],
                    "test_error_by_level": by_level,
                    "validation_error_by_level": by_level,
                    "chosen_epoch": 1,
                    "labels": [10 - 3 * d for d in range(D)],
                    "lost_later": [0.0] * len(costs),
                    "branch_norms": falling_norms(settings.network),
                    "execution": {"devices": ["a CPU <of one thread>"]},
                    "parameters": {"recipe": {"epochs": settings.recipe.epochs}},
                },
            )
            write_json(folder / TIMING, {"wall_seconds": 10.0 * len(costs)})


def falling_norms(network: NetworkParams) -> list[list[float]]:
    """Branch i (from 0) of C has l1-norm C - i."""
    if not isinstance(network, SideBySide):
        return []
    return [[float(network.C - i) for i in range(network.C)]] * network.L
