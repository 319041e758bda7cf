"""`anyslice bench`: how fast the networks train on this CPU or GPU."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from anyslice.cli.options import COUNT, FILE, scale_option

Size = tuple[str, dict[str, Any]]
"""A network and its hyper-parameters."""


@click.command()
@click.argument("networks", nargs=-1)
@scale_option
@click.option(
    "--output",
    type=FILE,
    default=Path("results/bench.json"),
    help="File for the figures and the machine they were measured on.",
)
@click.option(
    "--rounds", type=COUNT, default=5, help="How often each step is timed; medians count."
)
@click.option("--threads", type=COUNT, help="CPU threads.  [default: all cores]")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="What to time: this CPU or its GPU.",
)
@click.option("--together", is_flag=True, help="On a GPU, also time 2 and 4 trainings at once.")
def bench(
    networks: tuple[str, ...],
    scale: str,
    output: Path,
    rounds: int,
    threads: int | None,
    device: str,
    together: bool,
) -> None:
    """Time training steps of NETWORKS (default: the paper's) at their CIFAR sizes.

    A run of a scale, "<dataset>/<run>", is timed with its hyper-parameters on images of CIFAR's
    size.

    Beside images/s: multiply-adds per second, their share of the machine's own matrix product, the
    time in steps of a single ResNeXt of the same L, W, B and C, and how much longer the same
    network takes trained plainly.

    With --device cuda: a step eager, as one CUDA graph and in NCHW, its kernels, how long they run,
    its memory, and shares of the GPU's own copy and product.
    """
    import torch

    from anyslice.costs import bench as benchmark
    from anyslice.costs.machine import this_machine
    from anyslice.files import write_json
    from anyslice.memory import keep_freed_memory

    sizes = {name: _size(name, scale) for name in networks or benchmark.CIFAR_SIZES}
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    if device == "cuda":
        _bench_gpu(sizes, output, together)
        return
    speeds = {}
    click.echo(this_machine())
    click.echo(benchmark.HEADER)
    for name, size in sizes.items():
        speeds[name] = benchmark.measure(*size, rounds)
        click.echo(benchmark.as_line(name, speeds[name]))
    write_json(output, benchmark.as_json(speeds))


def _size(name: str, scale: str) -> Size:
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


def _bench_gpu(sizes: dict[str, Size], output: Path, together: bool) -> None:
    import torch

    from anyslice.costs import gpu_bench
    from anyslice.files import write_json

    gpu = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    ceiling = gpu_bench.ceilings()
    click.echo(
        f"{gpu['gpu']}, torch {gpu['torch']}: copy {ceiling.copy / 1e12:.2f} TB/s, "
        f"product {ceiling.product / 1e12:.1f} TMAC/s"
    )
    click.echo(gpu_bench.HEADER)
    speeds = {}
    counts = gpu_bench.SIDE_BY_SIDE if together else ()
    for name, size in sizes.items():
        speeds[name] = gpu_bench.measure_on_gpu(*size, ceiling, counts)
        click.echo(gpu_bench.as_line(name, speeds[name]))
        found = {"machine": gpu, "ceilings": asdict(ceiling)}
        write_json(output, found | {"networks": {n: asdict(s) for n, s in speeds.items()}})
