"""The exported folder: model.json, every value of it checked before anything follows from it.

Nothing that a folder says is imported or run but its graphs, whose names are fixed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from anyslice.runtime.errors import ModelFolderError

FILE = "model.json"
ALL = "all.onnx"
SCHEMA = 1
LARGEST_FILE = 32 * 2**20
LARGEST_GRAPH = 2**31
MOST = {"labels": 100_000, "subnetworks": 100, "levels": 100, "steps": 1_000_000, "side": 4096}


@dataclass(frozen=True)
class ImageFormat:
    """How an image becomes the network's input.

    The central square, of "files" resized to 8/7 of size and cropped, gets `pad` black pixels on
    each side; then every shrink x shrink pixels are averaged. Mean and std are for white 1.
    """

    storage: str
    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int
    shrink: int


@dataclass(frozen=True)
class Model:
    """What model.json says; sub-network k at level d is [k - 1][d - 1].

    Attributes:
        levels: names of the labels of each level, fine to coarse.
        interruptible: whether there are also K steps, and one graph of K outputs.
        macs: multiply-adds for one image.
        cumulative_macs: spent when answer k follows answers 1 ... k - 1.
        accuracy: in 0 ... 1, on validation images; test_error is in percent.
        calibration: probabilities from which on answers are right so often, both rising.
        graphs: SHA-256 of each file.
        about: the whole document.
    """

    images: ImageFormat
    levels: tuple[tuple[str, ...], ...]
    interruptible: bool
    macs: tuple[int, ...]
    cumulative_macs: tuple[int, ...]
    accuracy: tuple[tuple[float, ...], ...]
    test_error: tuple[tuple[float, ...], ...]
    calibration: tuple[tuple[tuple[tuple[float, ...], tuple[float, ...]], ...], ...]
    graphs: dict[str, str]
    about: dict[str, Any]

    @property
    def K(self) -> int:
        """Number of sub-networks."""
        return len(self.macs)


def graph_names(K: int, interruptible: bool) -> list[str]:
    """The files beside model.json."""
    parts = ("subnetwork", "step") if interruptible else ("subnetwork",)
    names = [f"{part}-{k}.onnx" for part in parts for k in range(1, K + 1)]
    return [*names, ALL] if interruptible else names


def read_model(folder: Path) -> Model:
    """Read and check model.json, and that the graphs are there.

    Raises:
        ModelFolderError: saying what is wrong where, and what would be right.
    """
    path = folder / FILE
    if not folder.is_dir():
        raise ModelFolderError(
            f"there is no folder {folder}; give one that `anyslice export` wrote"
        )
    if not path.is_file():
        run = (folder / "metrics.json").is_file()
        raise ModelFolderError(
            f"{folder} has no {FILE}; give a folder that `anyslice export "
            f"{folder if run else 'RUN'} --output FOLDER` wrote"
        )
    document = _Value(_read_json(path), str(path), "")
    schema = document["schema"].whole(1, 10**9)
    if schema != SCHEMA:
        raise ModelFolderError(
            f"{path} has schema {schema}, and this version of anyslice reads {SCHEMA}: "
            "install the version that wrote it"
        )
    model = _model(document)
    for name in model.graphs:
        if not (folder / name).is_file():
            raise ModelFolderError(f"{folder / name} is missing")
    return model


def check_model(document: Any, path: Path) -> Model:
    """A document like model.json, from another file.

    Raises:
        ModelFolderError: as `read_model`.
    """
    return _model(_Value(document, str(path), ""))


def read_graph(folder: Path, name: str, model: Model) -> bytes:
    """The graph of a name as it was exported.

    Raises:
        ModelFolderError: if it is not there or not that, or refers to other files.
    """
    path = folder / name
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST_GRAPH else b""
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != model.graphs[name]:
        raise ModelFolderError(f"{path} is damaged: its SHA-256 is not that in {FILE}")
    if b"\x0a\x08location" in content:  # the key of ONNX's external data
        raise ModelFolderError(f"{path} refers to other files: a graph must hold its own weights")
    return content


def _read_json(path: Path) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number")

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it has more than {LARGEST_FILE >> 20} MiB")
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ModelFolderError(f"{path} is damaged: it is nested too deeply") from None
    except ValueError as error:
        raise ModelFolderError(f"{path} is damaged, it holds no JSON: {error}") from None


@dataclass(frozen=True)
class _Value:
    """A value of the document in a file, and the keys that lead to it."""

    value: Any
    path: str
    key: str

    def refuse(self, needed: str) -> NoReturn:
        found = repr(self.value)
        shown = found if len(found) <= 40 else f"{found[:40]}..."
        raise ModelFolderError(f"{self.path}: key '{self.key}': {needed} (found {shown})")

    def need(self, fits: bool, needed: str) -> None:
        if not fits:
            self.refuse(f"{needed} is needed")

    def __getitem__(self, key: str) -> _Value:
        self.need(isinstance(self.value, dict) and key in self.value, f"a mapping with '{key}'")
        return _Value(self.value[key], self.path, f"{self.key}.{key}".lstrip("."))

    def each(self, least: int, most: int, read: Callable[[_Value], Any]) -> tuple[Any, ...]:
        fits = isinstance(self.value, list) and least <= len(self.value) <= most
        self.need(fits, f"a list of {least}{f' to {most}' * (most > least)}")
        return tuple(
            read(_Value(v, self.path, f"{self.key}[{i}]")) for i, v in enumerate(self.value)
        )

    def number(self, least: float, most: float) -> Any:
        known = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        self.need(known and least <= self.value <= most, f"a number from {least:g} to {most:g}")
        return self.value

    def whole(self, least: int, most: int) -> int:
        self.need(isinstance(self.number(least, most), int), "a whole number")
        return int(self.value)

    def text(self) -> str:
        fits = isinstance(self.value, str) and 0 < len(self.value) <= 1000
        self.need(fits, "a text of 1 to 1000 characters")
        return str(self.value)

    def one_of(self, *choices: Any) -> Any:
        same = [c for c in choices if c == self.value and type(c) is type(self.value)]
        self.need(bool(same), " or ".join(map(repr, choices)))
        return self.value

    def rising(self, least: int, most: int, read: Callable[[_Value], Any]) -> tuple[Any, ...]:
        found = self.each(least, most, read)
        self.need(list(found) == sorted(found), "a list of rising numbers")
        return found


def _model(document: _Value) -> Model:
    def multiply_adds(value: _Value) -> int:
        return value.whole(1, 10**18)

    levels = document["levels"].each(1, MOST["levels"], _names)
    macs = document["macs"].each(1, MOST["subnetworks"], multiply_adds)
    K, D = len(macs), len(levels)

    def by_level(key: str, read: Callable[[_Value], Any]) -> tuple[tuple[Any, ...], ...]:
        return document[key].each(K, K, lambda of_k: of_k.each(D, D, read))

    interruptible = document["interruptible"].one_of(True, False)
    return Model(
        images=_images(document["images"]),
        levels=levels,
        interruptible=interruptible,
        macs=macs,
        cumulative_macs=document["cumulative_macs"].rising(K, K, multiply_adds),
        accuracy=by_level("accuracy", lambda v: v.number(0, 1)),
        test_error=by_level("test_error", lambda v: v.number(0, 100)),
        calibration=by_level("calibration", _calibration),
        graphs={n: document["graphs"][n].text() for n in graph_names(K, interruptible)},
        about=document.value,
    )


def _names(level: _Value) -> tuple[str, ...]:
    names = level["names"].each(1, MOST["labels"], _Value.text)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        level["names"].refuse(f"{twice!r} is there twice, and each name once is needed")
    return names


def _calibration(value: _Value) -> tuple[tuple[float, ...], tuple[float, ...]]:
    starts = value["confidences"].rising(1, MOST["steps"], lambda v: v.number(0, 1))
    shares = value["accuracies"].rising(len(starts), len(starts), lambda v: v.number(0, 1))
    value["accuracies"].need(shares[-1] < 1, "a share less than 1, since no answer is certain,")
    return starts, shares


def _images(value: _Value) -> ImageFormat:
    channels = value["channels"].one_of(1, 3)
    shrink = value["shrink"].whole(1, 64)
    size = value["size"].whole(1, MOST["side"] // shrink)
    return ImageFormat(
        storage=value["storage"].one_of("tensor", "files"),
        size=size,
        channels=channels,
        mean=value["mean"].each(channels, channels, lambda v: v.number(-1000, 1000)),
        std=value["std"].each(channels, channels, lambda v: v.number(1e-6, 1000)),
        pad=value["pad"].whole(0, (size * shrink - 1) // 2),
        shrink=shrink,
    )
