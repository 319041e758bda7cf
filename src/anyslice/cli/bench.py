"""`anyslice bench`: how fast the networks train here, and images are augmented."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from anyslice.cli.options import fail_clearly, scale_option


@click.command()
@click.argument("networks", nargs=-1)
@scale_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("results/bench.json"),
    show_default=True,
    help="File for the figures and the machine they were measured on.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How often each step is timed; medians count.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: all cores]")
@fail_clearly
def bench(
    networks: tuple[str, ...], scale: str, output: Path, rounds: int, threads: int | None
) -> None:
    """Time training steps of NETWORKS (default: the paper's) at their CIFAR sizes, on this CPU.

    A run of a scale, "<dataset>/<run>", is timed with its hyper-parameters on images of CIFAR's
    size. What the output has of other networks, measured on the same machine, stays.

    Beside images/s: multiply-adds per second, their share of the machine's own matrix product, the
    time in steps of a single ResNeXt of the same L, W, B and C, and how much longer the same
    network takes trained plainly. Then images/s of augmentation in batches, against torchvision's
    transforms image by image in 2 workers.
    """
    import torch

    from anyslice.costs import bench as benchmark
    from anyslice.costs.augmentation_speed import compare_on_embedded_images
    from anyslice.files import read_json, write_json
    from anyslice.memory import keep_freed_memory

    sizes = {name: _size(name, scale) for name in networks or benchmark.CIFAR_SIZES}
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    speeds = {}
    click.echo("{cpu}, {threads} of {cores} threads, torch {torch}".format(**benchmark.machine()))
    click.echo(benchmark.HEADER)
    for name, (network, hyperparameters) in sizes.items():
        speeds[name] = benchmark.measure(network, hyperparameters, rounds)
        click.echo(benchmark.as_line(name, speeds[name]))
    augmentation = compare_on_embedded_images()
    click.echo(
        f"augmentation: {augmentation.batched:.0f} images/s in batches, "
        f"{augmentation.per_image:.0f} one by one, {augmentation.ratio:.0f} times as fast"
    )
    compared = asdict(augmentation) | {"ratio": augmentation.ratio}
    measured = benchmark.as_json(speeds) | {"augmentation": compared}
    if output.exists() and (before := read_json(output)).get("machine") == measured["machine"]:
        measured["networks"] = before["networks"] | measured["networks"]
    write_json(output, measured)


def _size(name: str, scale: str) -> tuple[str, dict[str, Any]]:
    """The network and the hyper-parameters to time: of the benchmark, or of a run of the scale."""
    from anyslice.config.scale import hyperparameters, load_scale
    from anyslice.costs.bench import CIFAR_SIZES

    if "/" in name:
        network = load_scale(scale).run(name).network
        return network.name, hyperparameters(network)
    if name not in CIFAR_SIZES:
        raise click.UsageError(
            f"no network {name!r} to time: choose from {', '.join(CIFAR_SIZES)}, or name a run of "
            "the scale as <dataset>/<run>"
        )
    return CIFAR_SIZES[name]
