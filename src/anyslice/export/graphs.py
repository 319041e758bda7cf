"""Sub-networks, steps and all answers of a network as ONNX graphs, by torch.export's exporter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anyslice.errors import AnysliceError
from anyslice.export.lowering import batch_shapes, lower
from anyslice.networks.base import AnytimeNetwork
from anyslice.networks.heads import levels
from anyslice.runtime.graphs import onnxruntime

OPSET = 20
TOLERANCE = 1e-4


class _All(nn.Module):
    """The logits of all sub-networks, thinnest first, and of each those of all levels."""

    def __init__(self, network: AnytimeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(of for logits in self.network(images) for of in levels(logits))


def graph_of(network: AnytimeNetwork, name: str) -> bytes:
    """The ONNX model of a file, see `module_of`; it holds nothing of where it was made.

    It takes "images", normalised, (N, channels, size, size), and a step also "feature_1", ...,
    which are the outputs "left_1", ... of the step before. It gives "logits", with D > 1 label
    levels "logits_1" ... "logits_D", fine to coarse; all.onnx for each sub-network, "logits_1" ...
    "logits_K" or "logits_1_1" ... "logits_K_D".
    """
    module, arguments = module_of(network, name)
    with torch.no_grad(), warnings.catch_warnings():
        # Images and features share one batch, which the exporter is told for each of them.
        warnings.filterwarnings("ignore", message="# The axis name: batch will not be used")
        left = len(module(*arguments)) - 1 if name.startswith("step") else 0
        lowered = lower(module, arguments)
        program = torch.onnx.export(
            lowered,
            arguments,
            dynamo=True,
            dynamic_shapes=batch_shapes(arguments),
            opset_version=OPSET,
            input_names=["images", *(f"feature_{i}" for i in range(1, len(arguments)))],
            output_names=[
                *_logits_names(network.K if name == "all.onnx" else 1, network.D),
                *(f"left_{i}" for i in range(1, left + 1)),
            ],
            verbose=False,
        )
    assert program is not None
    return _stripped(program.model_proto)


def _logits_names(answers: int, D: int) -> list[str]:
    of_levels = [""] if D == 1 else [f"_{d}" for d in range(1, D + 1)]
    of_answers = [""] if answers == 1 else [f"_{k}" for k in range(1, answers + 1)]
    return [f"logits{k}{d}" for k in of_answers for d in of_levels]


def _stripped(model: Any) -> bytes:
    """Without stack traces, the exporter's paths and what ONNX engines find out themselves."""
    model.graph.ClearField("value_info")
    for part in (model, model.graph, *model.graph.node, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


def module_of(network: AnytimeNetwork, name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What a file of this name holds, in eval mode, with example arguments of two images."""
    side = network.task.image_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, network.task.image_channels, side, side, generator=generator)
    part, _, k = name.removesuffix(".onnx").partition("-")
    if part == "all":
        return _All(network).eval(), (images,)
    if part == "subnetwork":
        return network.dense_subnetwork(int(k)).eval(), (images,)
    steps = network.steps()
    features: list[Tensor] = []
    with torch.no_grad():
        for step in steps[: int(k) - 1]:
            _, *features = step(images, *features)
    return steps[int(k) - 1].eval(), (images, *features)


def check_graph(network: AnytimeNetwork, name: str, graph: bytes) -> None:
    """Compare what a graph gives in ONNX Runtime with the network, for one image and for two.

    Raises:
        AnysliceError: if it is no graph, or an output differs by more than TOLERANCE of the
            largest value.
    """
    module, arguments = module_of(network, name)
    for count in (1, 2):
        given = [argument[:count] for argument in arguments]
        with torch.no_grad():
            found = module(*given)
        logits, *left = found if name.startswith("step") else (found,)
        try:
            session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
            places = [place.name for place in session.get_inputs()]
            values = [value.numpy() for value in given[-len(places) :]]
            ours = session.run(None, dict(zip(places, values, strict=True)))
        except Exception as error:  # ONNX Runtime's have no common type
            raise AnysliceError(f"{name} cannot be run: {error}") from None
        for one, other in zip(ours, [*levels(logits), *left], strict=True):
            difference = float(np.abs(one - other.numpy()).max())
            if not difference <= TOLERANCE * max(1.0, float(other.abs().max())):
                raise AnysliceError(f"{name} differs from the network by {difference:.2g}")


def is_graph_of(network: AnytimeNetwork, name: str, path: Path) -> bool:
    """Whether a file gives what the network does."""
    try:
        check_graph(network, name, path.read_bytes())
    except (OSError, ValueError):
        return False
    return True
