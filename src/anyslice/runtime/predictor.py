"""The anytime predictor: a budget in, the best answer out."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from anyslice.runtime.budget import Below, check_budgets, finest_level, largest_within
from anyslice.runtime.folder import graph_names, read_model
from anyslice.runtime.graphs import Array, Graph, check_providers, check_threads
from anyslice.runtime.images import to_input, warm_up
from anyslice.runtime.prediction import Prediction
from anyslice.runtime.times import MARGIN, Times, Ways

LARGEST_BATCH = 64
"""Images of one call of the network; more are taken in several."""
SECONDS = 0.1
"""A measurement takes so long, or ROUNDS if they are less, and at least LEAST."""
ROUNDS = 15
LEAST = 3


class AnytimePredictor:
    """Predictions of an exported anytime network within a budget.

    Threads can share one, and it can be pickled. A forked process loads its graphs anew.

    Args:
        folder: that `anyslice export` wrote.
        threads: of the CPU, for a call.
        providers: ONNX Runtime's, by name, such as CUDAExecutionProvider.

    Attributes:
        model: what the folder says: costs, accuracies, image format; its `about` has all.
        K: number of sub-networks.
        classes: names of the labels of each level, fine to coarse.

    Raises:
        ModelFolderError: if it is no such folder, damaged or of another version.
        AnysliceError: if the provider or so many cores are not there.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        check_threads(threads)
        check_providers(providers)
        self.folder, self.threads, self.providers = Path(folder), threads, tuple(providers)
        self.model = read_model(self.folder)
        self.K, self.classes = len(self.model.macs), self.model.levels
        self._rights = [
            [(np.array(starts), np.array([0.0, *shares])) for starts, shares in of_k]
            for of_k in self.model.calibration
        ]
        doubling = [1 << i for i in range(self.K.bit_length()) if 1 << i < self.K]
        every = self.model.interruptible  # where nothing is shared, each attempt is paid for
        self._attempts = list(range(1, self.K + 1)) if every else [*doubling, self.K]
        self._graphs: dict[tuple[int, str], Graph] = {}
        self._times = Times(self.model.macs)
        self._ways: dict[tuple[int, float], Ways] = {}
        self._loading = 0.0
        self._graph("subnetwork-1.onnx")  # a call with a deadline can answer at once

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), threads=self.threads, providers=self.providers), (self.folder,)

    def prepare(self, images: int = 1) -> list[float]:
        """Load all graphs, and measure what calls for so many images take here.

        Returns:
            Milliseconds of sub-network 1 ... K, of the network and of making answers.
        """
        for name in graph_names(self.K, self.model.interruptible):
            self._graph(name)
        warm_up(self.model.images)
        return self._measured(images, again=True)

    def predict(
        self,
        images: Any,
        *,
        subnetwork: int | None = None,
        macs: float | None = None,
        milliseconds: float | None = None,
        deadline: float | None = None,
        confidence: float | None = None,
        accuracy: float | None = None,
        below: Below = "error",
    ) -> list[Prediction]:
        """The best answers within a budget; without one, those of the full network.

        Args:
            images: one or several, see `to_input`.
            subnetwork: use this one, 1 ... K.
            macs: multiply-adds that may be spent on an image.
            milliseconds: that answers for all images together may take, once these are decoded, by
                what calls usually take on this machine; measured if that is not known.
            deadline: milliseconds from the call on until the answers must be there. Nothing is
                measured; while nothing is known of so many images, the thinnest answers.
            confidence: for each image, the first answer that is right with this probability, by
                the validation images; else that of the full network, with `reached` False.
            accuracy: answer at the finest label level at which so many answers are right, by the
                validation images; in 0 ... 1. Without a budget, use the smallest sub-network that
                reaches it for the classes themselves.
            below: what to do where the budget is below the thinnest sub-network, or no level is as
                accurate as asked: "error", or the nearest that there is and "warn".

        Raises:
            ImageError: if something is no image.
            BudgetError: if nothing fits, see `below`.
            AnysliceError: if several budgets are given, or one that cannot be.
        """
        start = time.perf_counter()
        check_budgets(
            self.K,
            below,
            accuracy,
            subnetwork=subnetwork,
            macs=macs,
            milliseconds=milliseconds,
            deadline=deadline,
            confidence=confidence,
        )
        inputs = to_input(images, self.model.images)
        n = len(inputs)
        if confidence is not None:
            return self._confident(inputs, confidence, accuracy, below)
        if subnetwork is not None:
            k = int(subnetwork)
        elif macs is not None:
            k = largest_within(self.model.macs, macs, "multiply-adds", below)
        elif milliseconds is not None:
            k = largest_within(self._measured(n), milliseconds, "ms", below)
        elif deadline is not None:
            k = self._in_time(n, deadline - _since(start))
        else:
            enough = (k for k, of in enumerate(self.model.accuracy, 1) if of[0] >= (accuracy or 2))
            k = next(enough, self.K)
        level = finest_level(self.model.accuracy[k - 1], accuracy, k, below)
        begin = time.perf_counter()
        logits = self.logits(k, inputs)
        spent = _since(begin)
        if deadline is not None:
            spent = _since(start)
        late = max(0.0, spent - (deadline or float("inf")))
        found = self._answers(logits, level, k, self.model.macs[k - 1], spent, late=late)
        self._times.note(n, k, _since(begin))
        return found

    def refine(self, images: Any) -> Iterator[list[Prediction]]:
        """Ever better answers of sub-network 1 ... K; nothing is computed before it is asked for.

        An interruptible network computes only what is new. The answers' milliseconds are those
        that the network has taken so far.
        """
        parts = _batches(to_input(images, self.model.images))
        before: list[list[Array]] = [[] for _ in parts]
        spent = 0.0
        for k in range(1, self.K + 1):
            self._graph(f"step-{k}.onnx" if self.model.interruptible else f"subnetwork-{k}.onnx")
            begin = time.perf_counter()
            if self.model.interruptible:
                step = self._graph(f"step-{k}.onnx")
                done = [step(x, b) for x, b in zip(parts, before, strict=True)]
                logits, before = _joined([of for of, _ in done]), [left for _, left in done]
            else:
                logits = _joined([self._graph(f"subnetwork-{k}.onnx")(x)[0] for x in parts])
            spent += _since(begin)
            yield self._answers(logits, 1, k, self.model.cumulative_macs[k - 1], spent)

    def logits(self, k: int, inputs: Array) -> list[Array]:
        """Logits of sub-network k, of each level (N, labels), for normalised images."""
        graph = self._graph(f"subnetwork-{k}.onnx")
        return _joined([graph(part)[0] for part in _batches(inputs)])

    def _graph(self, name: str) -> Graph:
        """The graph of a file, loaded in each process, since threads do not survive a fork."""
        key = os.getpid(), name
        if key not in self._graphs:
            begin = time.perf_counter()
            answers = self.K if name == "all.onnx" else 1
            graph = Graph(self.folder, name, self.model, answers, self.threads, self.providers)
            if name.startswith("subnetwork"):  # the first call takes longer than others
                graph(self._zeros(1))
            self._loading = max(self._loading, _since(begin))
            self._graphs[key] = graph
        return self._graphs[key]

    def _zeros(self, images: int) -> Array:
        format = self.model.images
        return np.zeros((images, format.channels, format.size, format.size), np.float32)

    def _measured(self, images: int, again: bool = False) -> list[float]:
        """What each sub-network takes for so many images: known from calls, or timed in turns."""
        names = range(1, self.K + 1)
        known = [self._times.measured(images, k) for k in names]
        if not again and None not in known:
            return [took for took in known if took is not None]
        inputs = self._zeros(images)
        times: list[list[float]] = [[] for _ in names]
        end = time.perf_counter() + SECONDS
        for turn in range(1 + ROUNDS):
            for k in names:
                begin = time.perf_counter()
                self._answers(self.logits(k, inputs), 1, k, 0, 0.0)
                times[k - 1].append(_since(begin))
            if turn >= LEAST and time.perf_counter() > end:
                break
        for k, took in zip(names, times, strict=True):
            self._times.set(images, k, median(took[1:]))
        return [median(took[1:]) for took in times]

    def _in_time(self, images: int, left: float) -> int:
        """The largest sub-network that is expected to answer in so many milliseconds; else 1."""
        for k in range(self.K, 1, -1):
            expected = self._times.expected(images, k)
            if expected is not None:
                loaded = (os.getpid(), f"subnetwork-{k}.onnx") in self._graphs
                if MARGIN * expected + (0 if loaded else 2 * self._loading) <= left:
                    return k
        return 1

    def _confident(
        self, inputs: Array, confidence: float, accuracy: float | None, below: Below
    ) -> list[Prediction]:
        """By the way that costs least here; said if the full network costs no more."""
        size = min(len(inputs), LARGEST_BATCH)
        full = self._measured(size)[-1]
        key = 1 << (size - 1).bit_length(), round(confidence, 2)
        names = (
            ("steps", "outputs", "subnetworks") if self.model.interruptible else ("subnetworks",)
        )
        ways = self._ways.setdefault(key, Ways(names))
        begin = time.perf_counter()
        found: list[Prediction] = []
        for part in _batches(inputs):
            way, one = ways.least(), time.perf_counter()
            found += self._confident_batch(part, way, confidence, accuracy, below, begin)
            if len(part) == size:
                ways.note(way, _since(one))
        if ways.settled and min(ways.mean.values()) >= full:
            ways.settled = False  # said once
            warnings.warn(
                f"confidence={confidence} takes no less time here than the full network: "
                f"subnetwork={self.K} answers at least as well",
                stacklevel=3,
            )
        return found

    def _confident_batch(
        self,
        inputs: Array,
        way: str,
        confidence: float,
        accuracy: float | None,
        below: Below,
        begin: float,
    ) -> list[Prediction]:
        model, K, D = self.model, self.K, len(self.classes)
        answers: dict[int, Prediction] = {}
        waiting = np.arange(len(inputs))
        features: list[Array] = []
        macs = model.cumulative_macs[-1] if way == "outputs" else 0
        outputs = self._graph("all.onnx")(inputs)[0] if way == "outputs" else []
        for k in self._attempts:
            serves = k == K or max(model.accuracy[k - 1]) >= (accuracy or 0)
            if not serves and way == "subnetworks":
                continue
            some = inputs if len(waiting) == len(inputs) else inputs[waiting]
            if way == "outputs":
                logits = [of[waiting] for of in outputs[(k - 1) * D : k * D]]
            elif way == "steps":
                logits, features = self._graph(f"step-{k}.onnx")(some, features)
                macs = model.cumulative_macs[k - 1]
            else:
                logits, macs = self.logits(k, some), macs + model.macs[k - 1]
            if not serves:
                continue
            level = finest_level(model.accuracy[k - 1], accuracy, k, below)
            given = self._answers(logits, level, k, macs, _since(begin), confidence)
            done = np.array([k == K or bool(answer.reached) for answer in given])
            for row in np.flatnonzero(done):
                answers[int(waiting[row])] = given[row]
            if done.all():
                break
            waiting, features = waiting[~done], [feature[~done] for feature in features]
        return [answers[index] for index in range(len(inputs))]

    def _answers(
        self,
        logits: Sequence[Array],
        level: int,
        k: int,
        macs: int,
        milliseconds: float,
        confidence: float | None = None,
        late: float = 0.0,
    ) -> list[Prediction]:
        """The answers that the logits of all levels make at one."""
        shares = np.exp(logits[level - 1] - logits[level - 1].max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        probabilities = shares[np.arange(len(shares)), best]
        starts, rights = self._rights[k - 1][level - 1]
        found = rights[np.searchsorted(starts, probabilities, side="right")]
        names = self.classes[level - 1]
        return [
            Prediction(
                names[label],
                probability,
                right,
                None if confidence is None else right >= confidence,
                level,
                k,
                macs,
                milliseconds,
                late,
                names,
                row,
            )
            for label, probability, right, row in zip(
                best.tolist(), probabilities.tolist(), found.tolist(), shares, strict=True
            )
        ]


def _batches(inputs: Array) -> list[Array]:
    """The images of each call."""
    return [inputs[i : i + LARGEST_BATCH] for i in range(0, len(inputs), LARGEST_BATCH)]


def _joined(batches: Sequence[Sequence[Array]]) -> list[Array]:
    """The logits of all images."""
    if len(batches) == 1:
        return list(batches[0])
    return [np.concatenate(of_level) for of_level in zip(*batches, strict=True)]


def _since(begin: float) -> float:
    """Milliseconds since a time of time.perf_counter."""
    return 1e3 * (time.perf_counter() - begin)
