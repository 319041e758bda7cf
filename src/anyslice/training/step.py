"""One training step: K sub-networks forward and back, gradients averaged, SGD.

On a GPU the hundreds or thousands of kernels of a step are captured once as a CUDA graph and then
replayed by one call: they are the same kernels in the same order, so the bytes are the same too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from anyslice.networks.base import AnytimeNetwork
from anyslice.training.convolutions import fast_convolutions
from anyslice.training.distributed import GlobalBatchNorm, Processes
from anyslice.training.loss import Reduction, joint_backward
from anyslice.training.options import Options

Step = Callable[[Tensor, Tensor], Tensor]
"""Images (N, C, H, W) and labels (D, N) to the K losses before the step; it changes the weights."""

WARM_UP = 3
"""Steps before the capture, in which libraries allocate what they keep."""


def make_step(
    network: AnytimeNetwork,
    optimiser: torch.optim.SGD,
    reduction: Reduction,
    processes: Processes,
    options: Options,
    device: torch.device,
) -> Step:
    """The step of a training, as a CUDA graph where the options say so."""
    step = _eager_step(network, optimiser, reduction, processes, options, device)
    if options.graphs(device, processes.world):
        return GraphStep(network, optimiser, step)
    return step


def _eager_step(
    network: AnytimeNetwork,
    optimiser: torch.optim.SGD,
    reduction: Reduction,
    processes: Processes,
    options: Options,
    device: torch.device,
) -> Step:
    def step(images: Tensor, labels: Tensor) -> Tensor:
        optimiser.zero_grad()
        with options.autocast(device), _batch_norm(processes), fast_convolutions(device):
            losses = joint_backward(network, images, labels, reduction)
        processes.average_gradients(network.parameters())
        optimiser.step()
        return processes.mean(losses)

    return step


def _batch_norm(processes: Processes) -> AbstractContextManager[Any]:
    return GlobalBatchNorm() if processes.world > 1 else nullcontext()


class GraphStep:
    """A step as one CUDA graph, captured at the first batch; all batches must be of its size.

    Args:
        network: whose weights and statistics the step changes; their tensors must stay in place.
        optimiser: over them. Its learning rate must be a tensor on the device, and its momentum
            exist, or the values of the first step would be captured.
        step: the eager step.
    """

    def __init__(self, network: AnytimeNetwork, optimiser: torch.optim.SGD, step: Step) -> None:
        self._network, self._optimiser, self._step = network, optimiser, step
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """See Step; the losses are overwritten by the next call."""
        if self._graph is None:
            self._graph = self._capture(images, labels)
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._losses

    def _capture(self, images: Tensor, labels: Tensor) -> torch.cuda.CUDAGraph:
        """Warm up and capture on one stream, then take back what the warm-up changed."""
        self._images, self._labels = images.clone(), labels.clone()
        state = self._state()
        before = [tensor.clone() for tensor in state]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._step(self._images, self._labels)
            self._optimiser.zero_grad()  # the captured step makes its gradients itself
            torch._foreach_copy_(state, before)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # By default a call of any thread ends the capture, as when a data loader's pins memory.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self._losses = self._step(self._images, self._labels)
        return graph

    def _state(self) -> list[Tensor]:
        momentum = [
            tensor
            for of_parameter in self._optimiser.state.values()
            for tensor in of_parameter.values()
            if isinstance(tensor, Tensor)
        ]
        return [t.detach() for t in (*self._network.state_dict().values(), *momentum)]
