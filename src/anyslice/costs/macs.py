"""Operations and parameters of every sub-network, counted by PyTorch's own FLOP counter.

Two conventions, and every figure says which:

macs: multiply-adds of convolutions and linear layers; no bias, BN, ReLU or pooling.
all_ops: that of the authors' released code. To the MACs it adds a linear layer's biases, one
    operation per element for BN, ReLU and residual addition, and for pooling the number of output
    elements times the kernel's area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, addmm_flop, conv_flop, mm_flop

from anyslice.config.dataset import load_description
from anyslice.config.families import NetworkParams, TorchvisionParams
from anyslice.config.scale import Scale
from anyslice.networks import AnytimeNetwork, Task, make
from anyslice.networks.heads import levels
from anyslice.paths import dataset_of

aten = torch.ops.aten
Shape = tuple[int, ...]
Formula = Callable[..., int]


@dataclass(frozen=True)
class Cost:
    """What one image costs a sub-network (operations), and what the sub-network stores."""

    macs: int
    all_ops: int
    params: int


def count(network: AnytimeNetwork) -> list[Cost]:
    """The cost of sub-network 1, 2, ... K, each counted on `subnetwork(k)` for one image."""
    image = _image_for(network).cpu()
    return [cost_of(network.subnetwork(k).cpu().eval(), image) for k in range(1, network.K + 1)]


def _image_for(network: AnytimeNetwork) -> Tensor:
    """One black image on the network's device."""
    side = network.task.image_size
    device = next(network.parameters()).device
    return torch.zeros(1, network.task.image_channels, side, side, device=device)


def cost_of(module: nn.Module, image: Tensor) -> Cost:
    """The cost of one forward pass of `module`, in eval mode, on one image (1, C, H, W)."""
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter, torch.no_grad():
        module(image)
    counts = counter.get_flop_counts()["Global"]
    biases = sum(
        layer.out_features
        for layer in module.modules()
        if isinstance(layer, nn.Linear) and layer.bias is not None
    )
    return Cost(
        macs=_macs_so_far(counter),
        all_ops=sum(counts.values()) + biases,
        params=sum(parameter.numel() for parameter in module.parameters()),
    )


def cumulative_macs(network: AnytimeNetwork, macs: Sequence[int]) -> list[int]:
    """MACs spent when prediction k arrives and predictions 1 ... k - 1 were made before it.

    An interruptible network computes only what is new; any other begins again for each k, and
    spends the `macs` of each by itself.
    """
    if not is_interruptible(network):
        return list(accumulate(macs))
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter, torch.no_grad():
        return [_macs_so_far(counter) for _ in network.eval().refine(_image_for(network))]


def forward_macs(network: AnytimeNetwork) -> int:
    """MACs of all K sub-networks for one image, each that they share counted once."""
    if is_interruptible(network):
        return cumulative_macs(network, [])[-1]
    return cost_of(network.eval(), _image_for(network)).macs


def is_interruptible(network: AnytimeNetwork) -> bool:
    """Whether its sub-networks re-use what smaller ones computed: its class defines the steps."""
    return type(network).steps is not AnytimeNetwork.steps


def training_passes(network: AnytimeNetwork) -> int:
    """Forward and backward passes of one training step, counted as they are made.

    I-ResNeXt makes one for each sub-network (Section 3.1). The MACs of a step are the last of
    `cumulative_macs`, of all passes together and times three with the backward ones; that counts
    the stem in every pass, which our I-ResNeXt runs once (4.45 instead of 4.55 full networks at
    L=21, K=8).
    """
    passes = 0
    # Eval mode: the BN of a single image's last features would have nothing to average.
    for group in network.eval().passes(_image_for(network)):
        sums = [part.sum() for _, logits in group for part in levels(logits)]
        torch.autograd.backward(sums)
        passes += 1
    network.zero_grad()
    return passes


def _macs_so_far(counter: FlopCounterMode) -> int:
    counts = counter.get_flop_counts()["Global"]
    return sum(counts.get(operation, 0) for operation in MULTIPLY_ADDS)


def _halved(flops: Formula) -> Formula:
    """PyTorch counts two operations for a multiply-add; here it is one."""
    return lambda *args, out_shape: flops(*args, out_val=out_shape) // 2


def _elements(x: Shape, *args: Any, out_shape: Any, **kwargs: Any) -> int:
    return prod(x)


def _pooling(x: Shape, kernel: Sequence[int], *args: Any, out_shape: Any, **kwargs: Any) -> int:
    pooled: Shape = out_shape[0] if isinstance(out_shape[0], tuple) else out_shape
    return prod(pooled) * prod(kernel)


MULTIPLY_ADDS: dict[Any, Formula] = {
    aten.convolution: _halved(conv_flop),
    aten.addmm: _halved(addmm_flop),
    aten.mm: _halved(mm_flop),
}

OPERATIONS: dict[Any, Formula] = MULTIPLY_ADDS | {
    aten.native_batch_norm: _elements,
    aten.relu: _elements,
    aten.relu_: _elements,
    aten.add: _elements,
    aten.add_: _elements,
    aten.avg_pool2d: _pooling,
    aten.max_pool2d_with_indices: _pooling,
    aten.mean: _elements,  # global average pooling: the kernel is the whole plane
    aten.sum: _elements,  # the same in our heads
}
"""Operations of one call, given the shapes of its arguments and of its output."""

COUNTED = OPERATIONS | {
    getattr(operation, overload): formula
    for operation, formula in OPERATIONS.items()
    for overload in operation.overloads()
}
"""The counter looks for the operation, but takes it apart unless it also finds the overload."""


def untrained(plan: NetworkParams, task: Task) -> AnytimeNetwork:
    """The network of these hyper-parameters, without released weights: they would be downloaded."""
    if isinstance(plan, TorchvisionParams):
        plan = replace(plan, weights=None)
    return make(plan, task)


def flops_of_run(scale: Scale, name: str) -> dict[str, Any]:
    """What results/<scale>/flops/<dataset>/<run>.json holds.

    Args:
        scale: where the run's network is.
        name: "<dataset>/<run>"; the data set's description gives classes and image size.

    A hierarchical run is counted with the head of the fine level alone: a prediction is made at
    one level.

    Returns:
        The lists macs, all_ops and params over sub-networks 1 ... K, and what they count; passes
        of one training step, and stored_params, those of all sub-networks together.
    """
    run = scale.run(name)
    description = load_description(dataset_of(name))
    side, channels = description.image_size, description.image_channels
    network = untrained(run.network, Task(len(description.classes), side, channels))
    costs = count(network)
    return {
        "run": name,
        "network": asdict(run.network),
        "image": [channels, side, side],
        "macs": [cost.macs for cost in costs],
        "all_ops": [cost.all_ops for cost in costs],
        "params": [cost.params for cost in costs],
        "cumulative_macs": cumulative_macs(network, [cost.macs for cost in costs]),
        "passes": training_passes(network),
        "stored_params": sum(parameter.numel() for parameter in network.parameters()),
        "conventions": {
            "macs": "multiply-adds of convolutions and linear layers, one image",
            "cumulative_macs": "macs spent when the k-th prediction follows all before it",
            "all_ops": "macs + linear biases + BN, ReLU, additions (1 per element) + pooling",
        },
    }
