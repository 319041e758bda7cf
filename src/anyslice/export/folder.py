"""A trained run as the folder that `anyslice.runtime` reads: model.json, graphs, README.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from anyslice.config.dataset import Description
from anyslice.costs.macs import is_interruptible
from anyslice.export.graphs import check_graph, graph_of, is_graph_of
from anyslice.export.run_folder import TrainedRun
from anyslice.files import write_atomically, write_json, write_text
from anyslice.runtime.folder import FILE, SCHEMA, graph_names, read_model
from anyslice.taxonomy.labels import spoken_names

DECODING = (
    "turn upright by EXIF; to grey or RGB of 8 bits, transparent black; central square, resized "
    "(box filter) to size * shrink - 2 * pad, or for storage 'files' resized (bilinear) to 8/7 of "
    "size and cropped; pad black; average shrink x shrink pixels; / 255, - mean, / std; "
    "float32 (N, channels, size, size)"
)


def export_run(
    run: TrainedRun, output: Path, licence: str, data: Description | None
) -> Iterator[tuple[str, bool]]:
    """Write the folder, file by file; model.json, the last but the card, makes it whole.

    The licence is of the weights; `data` describes the data set, for the card. Graphs that are
    there already stay if they give what the network does.

    Yields:
        The name of each graph, and whether it is new.

    Raises:
        AnysliceError: if a graph does not give the network's outputs.
    """
    interruptible = is_interruptible(run.network)
    names = graph_names(run.network.K, interruptible)
    exporter = f"torch {version('torch')}, onnxscript {version('onnxscript')}"
    output.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = output / name
        new = not is_graph_of(run.network, name, path)
        if new:
            graph = graph_of(run.network, name)
            check_graph(run.network, name, graph)
            with write_atomically(path) as temporary:
                temporary.write_bytes(graph)
        yield name, new
    for path in output.glob("*.onnx"):
        if path.name not in names:  # of another network that was here
            path.unlink()
    document = _document(run, interruptible, licence, exporter)
    document["graphs"] = {n: hashlib.sha256((output / n).read_bytes()).hexdigest() for n in names}
    write_json(output / FILE, document)
    read_model(output)  # what the run's record says may be what cannot be
    write_text(output / "README.md", card(document, data))


def _document(run: TrainedRun, interruptible: bool, licence: str, exporter: str) -> dict[str, Any]:
    deployment = run.deployment
    return {
        "schema": SCHEMA,
        "name": run.name,
        "family": run.family,
        "licence": licence,
        "interruptible": interruptible,
        "images": asdict(deployment.images) | {"decoding": DECODING},
        "levels": [
            {"names": spoken_names(level.names), "labels": level.labels}
            for level in deployment.levels
        ],
        "macs": deployment.macs,
        "cumulative_macs": deployment.cumulative_macs,
        "accuracy": run.accuracy,
        "test_error": run.test_error,
        "calibration": [[asdict(step) for step in of_k] for of_k in deployment.calibration],
        "training": run.training,
        "exporter": exporter,
    }


def card(model: dict[str, Any], data: Description | None) -> str:
    """README.md: what it is, how good, what it costs, how to load it."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("anyslice", "export"),
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return pages.get_template("card.jinja").render(
        model=model,
        names=model["levels"][0]["names"],
        images=model["images"],
        training=model["training"],
        data=data,
    )
