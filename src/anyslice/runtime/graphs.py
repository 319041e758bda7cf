"""A graph of an exported folder, run by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anyslice.errors import AnysliceError
from anyslice.runtime.errors import ModelFolderError
from anyslice.runtime.folder import ALL, Model, read_graph

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its builds for Linux send usage data
import onnxruntime as onnxruntime  # with that said, for whoever needs it

Array = npt.NDArray[np.float32]


class Graph:
    """From images, and features for a step, to the logits and features of one file.

    Raises ModelFolderError if the file is no graph of what the model says.
    """

    def __init__(
        self, folder: Path, name: str, model: Model, threads: int, providers: Sequence[str]
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        content = read_graph(folder, name, model)
        try:
            session = onnxruntime.InferenceSession(content, options, providers=list(providers))
        except Exception as error:  # of many types, none of them public
            raise ModelFolderError(f"{folder / name} cannot be run: {error}") from None
        self.where, self._run = folder / name, session.run
        self._inputs = [place.name for place in session.get_inputs()]
        labels = [len(names) for names in model.levels] * (model.K if name == ALL else 1)
        self._answers = len(labels)
        expected = [model.images.channels, model.images.size, model.images.size]
        given = {place.name: place.shape[1:] for place in session.get_inputs()}
        found = [place.shape[-1] for place in session.get_outputs()[: self._answers]]
        if given.get("images", expected) != expected or found != labels:
            raise ModelFolderError(
                f"{self.where} takes images {given.get('images')} and gives {found} labels, not "
                f"{expected} and {labels} as model.json says"
            )

    def __call__(
        self, images: Array, before: Sequence[Array] = ()
    ) -> tuple[list[Array], list[Array]]:
        """Logits (N, labels) of each answer and level, and the features that a step leaves."""
        given = [images, *before][-len(self._inputs) :]  # a last step may need no images
        try:
            found: list[Any] = self._run(None, dict(zip(self._inputs, given, strict=True)))
        except Exception as error:
            raise ModelFolderError(f"{self.where} cannot be run: {error}") from None
        return found[: self._answers], found[self._answers :]


def check_machine(threads: int, providers: Sequence[str]) -> None:
    """Raise AnysliceError unless this machine has so many cores and ONNX Runtime the providers."""
    cores = os.cpu_count() or threads
    if not 1 <= threads <= cores:
        raise AnysliceError(f"threads={threads}: 1 to {cores} can be used on this machine")
    there = onnxruntime.get_available_providers()
    for name in providers:
        if name not in there:
            raise AnysliceError(f"provider={name}: ONNX Runtime has {', '.join(there)} here")
