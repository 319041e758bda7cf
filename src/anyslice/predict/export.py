"""Sub-networks and steps of refinement as ONNX models, by torch.export's exporter."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anyslice.errors import AnysliceError
from anyslice.files import write_atomically
from anyslice.networks.base import AnytimeNetwork
from anyslice.networks.heads import levels
from anyslice.predict.engine import Part, import_onnxruntime
from anyslice.predict.lowering import batch_shapes, lower
from anyslice.predict.run_folder import TrainedRun

OPSET = 20
TOLERANCE = 1e-4


def export(run: TrainedRun, part: Part, k: int, path: Path) -> None:
    """Write sub-network k, or step k of an interruptible network, and check what was written.

    The model takes "images", normalised, (N, channels, size, size), and a step also "feature_1",
    ..., which are the outputs "left_1", ... of the step before. It gives "logits", or with D > 1
    label levels "logits_1" ... "logits_D", fine to coarse. Its metadata say all that is needed to
    use it.

    Raises:
        TypeError: if a step of a network is asked for that is not interruptible.
        AnysliceError: if there is no sub-network k, or the file does not give the network's logits.
    """
    program = program_of(run, part, k)
    with write_atomically(path) as temporary:
        program.save(str(temporary), external_data=False)
        check_file(run, part, k, temporary)


def program_of(run: TrainedRun, part: Part, k: int) -> torch.onnx.ONNXProgram:
    """The model of a sub-network or step."""
    network = run.network
    network.check_k(k)
    module, arguments = module_of(network, part, k)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        lowered = lower(module, arguments)
        D = network.D
        left = len(module(*arguments)) - 1 if part == "step" else 0
        program = torch.onnx.export(
            lowered,
            arguments,
            dynamo=True,
            dynamic_shapes=batch_shapes(arguments),
            opset_version=OPSET,
            input_names=["images", *(f"feature_{i}" for i in range(1, len(arguments)))],
            output_names=[
                *(["logits"] if D == 1 else [f"logits_{d}" for d in range(1, D + 1)]),
                *(f"left_{i}" for i in range(1, left + 1)),
            ],
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(metadata_of(run, part, k))
    return program


def module_of(network: AnytimeNetwork, part: Part, k: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What is exported, in eval mode, with example arguments of two images."""
    side = network.image_size
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, network.image_channels, side, side, generator=generator)
    if part == "subnetwork":
        return network.dense_subnetwork(k).eval(), (images,)
    steps = network.steps()
    features: list[Tensor] = []
    with torch.no_grad():
        for step in steps[: k - 1]:
            _, *features = step(images, *features)
    return steps[k - 1].eval(), (images, *features)


def metadata_of(run: TrainedRun, part: Part, k: int) -> dict[str, str]:
    """What a model says of itself; lists and mappings as JSON."""
    deployment = run.deployment
    colours = "RGB" if deployment.images.channels == 3 else "grey"
    spent = deployment.macs if part == "subnetwork" else deployment.cumulative_macs
    facts: dict[str, Any] = {
        "run": run.name,
        "weights_sha256": run.weights_sha256,
        part: k,
        "subnetworks": run.network.K,
        "macs" if part == "subnetwork" else "cumulative_macs": spent[k - 1],
        "class_names": deployment.levels[0].names,
        "levels": [asdict(level) for level in deployment.levels],
        "images": asdict(deployment.images),
        "pixels": f"{colours}, 0 ... 255 divided by 255, minus mean, divided by std",
        "validation_accuracy": run.accuracy[k - 1],
    }
    return {
        f"anyslice.{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in facts.items()
    }


def check_file(run: TrainedRun, part: Part, k: int, path: Path) -> None:
    """Compare what a file gives in ONNX Runtime with the network, for one image and for two.

    Raises:
        AnysliceError: if an output differs by more than TOLERANCE of the largest value.
    """
    session = import_onnxruntime().InferenceSession(
        path.read_bytes(), providers=["CPUExecutionProvider"]
    )
    module, arguments = module_of(run.network, part, k)
    names = {place.name for place in session.get_inputs()}
    for count in (1, 2):
        given = [argument[:count] for argument in arguments]
        with torch.no_grad():
            found = module(*given)
        logits, *left = found if part == "step" else (found,)
        places = ["images", *(f"feature_{i}" for i in range(1, len(given)))]
        feed = {
            name: value.numpy() for name, value in zip(places, given, strict=True) if name in names
        }
        for ours, theirs in zip(session.run(None, feed), [*levels(logits), *left], strict=True):
            expected = theirs.numpy()
            allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
            difference = float(np.abs(ours - expected).max())
            if not difference <= allowed:
                raise AnysliceError(
                    f"the exported {part} {k} differs from the network by {difference:.2g}"
                )
