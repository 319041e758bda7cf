"""Training speed on a GPU: milliseconds, kernels and memory of a step, in shares of its ceilings.

    python benchmarks/gpu.py i-resnext --together --output results/bench-gpu.json

The ceilings are measured on the same GPU: bytes a second of a large copy, and multiply-adds a
second of a large float32 product.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
from cpu import BATCH, CIFAR_SIZES, network_at_cifar_size, new_step, size_of
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from anyslice.costs.macs import forward_macs
from anyslice.files import write_json
from anyslice.training.options import Options, make_deterministic

CUDA = torch.device("cuda")
SECONDS = 0.5
"""Of each measurement."""

SIDE_BY_SIDE = (1, 2, 4)
"""How many trainings are timed at once, where asked for."""


@dataclass(frozen=True)
class Ceilings:
    """What the GPU reaches.

    Attributes:
        copy: bytes a second, read and written, of a device-to-device copy of 1 GB.
        product: multiply-adds a second of a float32 product of 4096 x 4096 matrices.
    """

    copy: float
    product: float


@dataclass(frozen=True)
class GpuSpeed:
    """How fast one network trains on a GPU, augmentation left out.

    Attributes:
        eager_ms: milliseconds of a step that starts every kernel by itself.
        graph_ms: of a step as one CUDA graph.
        nchw_ms: as graph_ms, in NCHW instead of channels_last memory.
        images_per_second: of the graph.
        kernels: of a step.
        busy_share: of graph_ms, the share in which a kernel runs.
        memory_gb: the most that a step has allocated, eager.
        copy_share: bytes that operations read and write, as if nothing were cached, a second of
            the graph, as a share of the copy's.
        product_share: multiply-adds a second, as a share of the product's.
        side_by_side: images a second of several trainings together, by their number.
    """

    eager_ms: float
    graph_ms: float
    nchw_ms: float
    images_per_second: float
    kernels: int
    busy_share: float
    memory_gb: float
    copy_share: float
    product_share: float
    side_by_side: dict[int, float]


class BytesMoved(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations read and write; views move none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation and add its bytes."""
        out = func(*args, **(kwargs or {}))
        read, written = (
            [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
            for values in (args, out)
        )
        places = {tensor.untyped_storage().data_ptr() for tensor in read}
        view = all(tensor.untyped_storage().data_ptr() in places for tensor in written)
        if not (view and func.overloadpacket.__name__[-1] != "_"):
            self.total += sum(t.numel() * t.element_size() for t in (*read, *written))
        return out


def ceilings() -> Ceilings:
    """Measure them."""
    source = torch.randn(1 << 28, device=CUDA)
    target = torch.empty_like(source)
    left, right = torch.randn(2, 4096, 4096, device=CUDA)
    copy_seconds = seconds_of(lambda: target.copy_(source))
    return Ceilings(
        copy=2 * source.numel() * 4 / copy_seconds,
        product=4096**3 / seconds_of(lambda: torch.mm(left, right)),
    )


def measure_on_gpu(
    name: str,
    hyperparameters: Mapping[str, Any],
    ceiling: Ceilings,
    side_by_side: Iterable[int] = (),
) -> GpuSpeed:
    """The speed of a network at CIFAR size and the batch of `costs.bench`."""
    make_deterministic(1, Options())
    eager = new_step(name, hyperparameters, device=CUDA, options=Options(cuda_graphs=False))
    eager_seconds = seconds_of(eager)
    torch.cuda.reset_peak_memory_stats()
    kernels, _ = kernels_of(eager)
    memory = torch.cuda.max_memory_allocated()
    with BytesMoved() as moved:
        eager()
    graph = new_step(name, hyperparameters, device=CUDA)
    graph_seconds = seconds_of(graph)
    _, busy_seconds = kernels_of(graph)
    nchw = new_step(name, hyperparameters, torch.contiguous_format, CUDA)
    macs = forward_macs(network_at_cifar_size(name, hyperparameters))
    return GpuSpeed(
        eager_ms=eager_seconds * 1e3,
        graph_ms=graph_seconds * 1e3,
        nchw_ms=seconds_of(nchw) * 1e3,
        images_per_second=BATCH / graph_seconds,
        kernels=kernels,
        busy_share=busy_seconds / graph_seconds,
        memory_gb=memory / 1e9,
        copy_share=moved.total / graph_seconds / ceiling.copy,
        product_share=3 * macs * BATCH / graph_seconds / ceiling.product,
        side_by_side={n: together(name, hyperparameters, n) for n in side_by_side},
    )


def seconds_of(action: Callable[[], object]) -> float:
    """The median over five rounds of what one call takes, after three that do not count."""
    for _ in range(3):
        action()
    torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    torch.cuda.synchronize()
    calls = max(1, int(SECONDS / 5 / (time.perf_counter() - start)))
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(calls):
            action()
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - start) / calls)
    return median(rounds)


def kernels_of(action: Callable[[], object]) -> tuple[int, float]:
    """The number of kernels that a call starts, and the seconds in which they run."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        action()
        torch.cuda.synchronize()
    on_device = [event for event in found.events() or [] if "CUDA" in str(event.device_type)]
    kernels = [e for e in on_device if not e.name.lower().startswith(("memcpy", "memset"))]
    return len(kernels), sum(event.self_device_time_total for event in kernels) / 1e6


def together(name: str, hyperparameters: Mapping[str, Any], count: int) -> float:
    """Images a second of several trainings of one network, each a process of its own."""
    context = multiprocessing.get_context("spawn")
    ready, speeds = context.Barrier(count), context.Queue()
    arguments = (name, dict(hyperparameters), ready, speeds)
    processes = [context.Process(target=_one_of_several, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    total = sum(speeds.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    return float(total)


def _one_of_several(name: str, hyperparameters: dict[str, Any], ready: Any, speeds: Any) -> None:
    make_deterministic(1, Options())
    step = new_step(name, hyperparameters, device=CUDA)
    step()
    torch.cuda.synchronize()
    ready.wait()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < 4 * SECONDS:
        for _ in range(10):
            step()
        torch.cuda.synchronize()
        steps += 10
    speeds.put(steps * BATCH / (time.perf_counter() - start))


HEADER = (
    "network           images/s  eager ms  graph ms  NCHW ms  kernels  busy  of copy  of product"
    "    GB  together"
)


def as_line(name: str, speed: GpuSpeed) -> str:
    """One line of the table below HEADER."""
    several = " ".join(f"{n}:{images:.0f}" for n, images in speed.side_by_side.items())
    return (
        f"{name:16s}  {speed.images_per_second:8.0f}  {speed.eager_ms:8.2f}  {speed.graph_ms:8.2f}"
        f"  {speed.nchw_ms:7.2f}  {speed.kernels:7d}  {speed.busy_share:4.0%}"
        f"  {speed.copy_share:7.0%}  {speed.product_share:10.0%}  {speed.memory_gb:4.1f}  {several}"
    )


@click.command()
@click.argument("networks", nargs=-1)
@click.option("--scale", default="quick", help="Of runs that are named as <dataset>/<run>.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/bench-gpu.json"))
@click.option("--together", is_flag=True, help="Also time 2 and 4 trainings at once.")
def main(networks: tuple[str, ...], scale: str, output: Path, together: bool) -> None:
    """Time training steps of NETWORKS (default: the paper's) at their CIFAR sizes on this GPU."""
    sizes = {name: size_of(name, scale) for name in networks or CIFAR_SIZES}
    gpu = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    ceiling = ceilings()
    click.echo(
        f"{gpu['gpu']}, torch {gpu['torch']}: copy {ceiling.copy / 1e12:.2f} TB/s, "
        f"product {ceiling.product / 1e12:.1f} TMAC/s"
    )
    click.echo(HEADER)
    speeds = {}
    counts = SIDE_BY_SIDE if together else ()
    for name, size in sizes.items():
        speeds[name] = measure_on_gpu(*size, ceiling, counts)
        click.echo(as_line(name, speeds[name]))
        found = {"machine": gpu, "ceilings": asdict(ceiling)}
        write_json(output, found | {"networks": {n: asdict(s) for n, s in speeds.items()}})


if __name__ == "__main__":
    main()
