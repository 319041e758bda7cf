"""One step's gradient, in one process or in several by DistributedDataParallel.

Several processes train exactly as one: each has its share of every batch, gradients are averaged,
and batch normalisation takes its statistics over the whole batch, as one process would. torch's
SyncBatchNorm does the latter for modules on GPUs only; here networks call F.batch_norm on slices of
parameters, and gloo runs on CPUs. So the function itself is replaced while the network runs.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from anyslice.networks.base import AnytimeNetwork
from anyslice.training.loss import Reduction, backward_through, joint_backward
from anyslice.training.options import Options

Backward = Callable[[Tensor, Tensor], Tensor]
"""Images (N, C, H, W) and labels (D, N) to the K losses, gradients left in the parameters."""


@dataclass(frozen=True)
class Processes:
    """The processes of this training, `world` of them; this one is number `rank`.

    Attributes:
        rank: 0 writes files and speaks.
        world: 1 unless torchrun started several.
        control: a group on CPUs, so that agreeing on something does not wait for a GPU.
    """

    rank: int = 0
    world: int = 1
    control: dist.ProcessGroup | None = None

    def highest(self, value: int) -> int:
        """The largest value of all processes."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value)
        dist.all_reduce(tensor, dist.ReduceOp.MAX, group=self.control)
        return int(tensor)

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
            tensor /= self.world
        return tensor

    def wait(self) -> None:
        """Barrier over all processes."""
        self.highest(0)


@contextmanager
def processes_of_torchrun(gpu: bool) -> Iterator[Processes]:
    """The processes that torchrun started, joined; one if it did not start this one."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    dist.init_process_group("nccl" if gpu else "gloo")
    try:
        control = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))
        yield Processes(dist.get_rank(), world, control)
    finally:
        dist.destroy_process_group()


def make_backward(
    network: AnytimeNetwork,
    reduction: Reduction,
    processes: Processes,
    options: Options,
    device: torch.device,
) -> Backward:
    """The function that computes losses and gradients of a batch.

    One process goes pass by pass, in the memory of one pass. Several, and compiled networks, take
    all K sub-networks in one graph: DistributedDataParallel averages gradients at the end of one.
    """
    if processes.world > 1:
        model = _distributed(network, device)
    elif options.compile or options.cuda_graphs:
        model = torch.compile(network, mode="reduce-overhead" if options.cuda_graphs else None)
    else:
        model = None

    def backward(images: Tensor, labels: Tensor) -> Tensor:
        with options.autocast(device):
            if model is None:
                return joint_backward(network, images, labels, reduction)
            groups = [list(enumerate(model(images), start=1))]
            return processes.mean(backward_through(groups, labels, reduction, network.K))

    return backward


def _distributed(network: AnytimeNetwork, device: torch.device) -> Callable[[Tensor], Any]:
    # A depthwise 3x3 weight of one stem channel has two names for one memory layout.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    devices = [device] if device.type == "cuda" else None
    model = DistributedDataParallel(network, device_ids=devices, forward_sync_buffers=False)

    def forward(images: Tensor) -> Any:
        with GlobalBatchNorm():
            return model(images)

    return forward


class GlobalBatchNorm(TorchFunctionMode):
    """While active, F.batch_norm in training takes its statistics over all processes."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace F.batch_norm, pass on all else."""
        kwargs = kwargs or {}
        return (global_batch_norm if func is F.batch_norm else func)(*args, **kwargs)


def global_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """F.batch_norm over the batches of all processes, which must be of one size."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    across = [d for d in range(input.dim()) if d != 1]
    count = input.numel() // input.shape[1] * dist.get_world_size()
    shape = [1, -1] + [1] * (input.dim() - 2)
    mean = _sum(input.sum(across)) / count
    centred = input - mean.view(shape)
    variance = _sum(centred.square().sum(across)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * (count / (count - 1)), momentum)
    scale = (variance + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    out = centred * scale.view(shape)
    return out if bias is None else out + bias.view(shape)


class _SumOverProcesses(torch.autograd.Function):
    """Sum over all processes; the gradient is summed likewise."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _sum(tensor: Tensor) -> Tensor:
    return cast(Tensor, _SumOverProcesses.apply(tensor))
