"""Several processes that train together, exactly as one would.

Each process has its share of every batch. Batch normalisation takes its statistics over the whole
batch, and after the backward pass all gradients are averaged in one flat all-reduce. Its layout
never changes, so a resumed training adds in the same order as an undisturbed one;
DistributedDataParallel, which rearranges its buckets after its first step, does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Item = TypeVar("Item")


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

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over all processes, in one exchange."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = flat.split([gradient.numel() for gradient in gradients])  # type: ignore[no-untyped-call]
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def gather(self, items: list[Item]) -> list[list[Item]]:
        """The lists of all processes, by rank; tensors in them must be on the CPU."""
        if self.world == 1:
            return [items]
        lists: list[Any] = [None] * self.world
        dist.all_gather_object(lists, items, group=self.control)
        return lists

    def wait(self) -> None:
        """Barrier over all processes."""
        self.highest(0)


@contextmanager
def processes_of_torchrun(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun started, joined; one if it did not start this one.

    Args:
        device: of this process. NCCL connects GPUs at once, and its errors name them.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    if device.type == "cuda":
        dist.init_process_group("nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
    try:
        control = cast(dist.ProcessGroup, dist.new_group(backend="gloo"))
        yield Processes(dist.get_rank(), world, control)
    finally:
        dist.destroy_process_group()


class GlobalBatchNorm(TorchFunctionMode):
    """While active, F.batch_norm in training takes its statistics over all processes.

    Networks call F.batch_norm on slices of parameters, which no module of torch does for them.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Replace F.batch_norm, pass on all else."""
        kwargs = kwargs or {}
        return (global_batch_norm if func is F.batch_norm else func)(*args, **kwargs)


def global_batch_norm(
    input: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Tensor,
    bias: Tensor,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """F.batch_norm over the batches of all processes, which must be of one size."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    function = _BatchNormOnGPUs if input.is_cuda else _BatchNormOnCPUs
    return cast(
        Tensor, function.apply(input, weight, bias, running_mean, running_var, eps, momentum)
    )


class _BatchNormOnGPUs(torch.autograd.Function):
    """By the kernels of torch's SyncBatchNorm, in channels_last memory.

    That looks for processes without images, for which it waits for the GPU three times a layer.
    Here every process has as many.
    """

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        eps: float,
        momentum: float,
    ) -> Tensor:
        input = input.contiguous(memory_format=torch.channels_last)
        world, channels = dist.get_world_size(), input.shape[1]
        mine = torch.cat(torch.batch_norm_stats(input, eps))
        every = mine.new_empty(world * len(mine))
        dist.all_gather_single(every, mine)
        means, inverse_stds = every.view(world, 2, channels).unbind(1)
        counts = mine.new_full((world,), input.numel() // channels)
        mean, inverse_std = torch.batch_norm_gather_stats_with_counts(
            input, means, inverse_stds, running_mean, running_var, momentum, eps, counts
        )
        ctx.save_for_backward(input, weight, mean, inverse_std, counts.to(torch.int32))
        return torch.batch_norm_elemt(input, weight, bias, mean, inverse_std, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, inverse_std, counts = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_sum, of_product, of_weight, of_bias = torch.batch_norm_backward_reduce(
            gradient, input, mean, inverse_std, weight, True, True, True
        )
        sums = torch.cat([of_sum, of_product])
        dist.all_reduce(sums)
        of_sum, of_product = sums.chunk(2)
        of_input = torch.batch_norm_backward_elemt(
            gradient, input, mean, inverse_std, weight, of_sum, of_product, counts
        )
        return of_input, of_weight, of_bias, None, None, None, None


class _BatchNormOnCPUs(torch.autograd.Function):
    """The same, for which torch has no kernels: one exchange forward and one back."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        eps: float,
        momentum: float,
    ) -> Tensor:
        count = input.numel() // input.shape[1]
        total = count * dist.get_world_size()
        mine = torch.cat(torch.var_mean(input, dim=_all_but_channels(input), correction=0))
        every = mine.new_empty(dist.get_world_size() * len(mine))
        dist.all_gather_single(every, mine)
        variances, means = every.view(-1, 2, input.shape[1]).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (total / (total - 1)), momentum)
        inverse_std = (variance + eps).rsqrt()
        ctx.save_for_backward(input, weight, mean, inverse_std)
        scale = weight * inverse_std
        return torch.addcmul(_wide(bias - mean * scale, input), input, _wide(scale, input))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, inverse_std = ctx.saved_tensors
        normalised = (input - _wide(mean, input)) * _wide(inverse_std, input)
        across = _all_but_channels(input)
        of_bias, of_weight = gradient.sum(across), (gradient * normalised).sum(across)
        total = input.numel() // input.shape[1] * dist.get_world_size()
        sums = torch.stack([of_bias, of_weight])
        dist.all_reduce(sums)
        sums /= total
        centred = gradient - _wide(sums[0], input) - normalised * _wide(sums[1], input)
        of_input = centred * _wide(weight * inverse_std, input)
        return of_input, of_weight, of_bias, None, None, None, None


def _all_but_channels(features: Tensor) -> list[int]:
    return [d for d in range(features.dim()) if d != 1]


def _wide(channels: Tensor, features: Tensor) -> Tensor:
    """(C,) in the shape that broadcasts to (N, C, H, W)."""
    return channels.view([1, -1] + [1] * (features.dim() - 2))
