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

from anyslice.runtime.budget import check_budgets, finest_level, largest_within
from anyslice.runtime.folder import ALL, graph_names, read_model
from anyslice.runtime.graphs import Array, Graph, check_machine
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

    Threads can share one, and it can be pickled. A forked process loads its graphs again.

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
        check_machine(threads, providers)
        self.folder, self.threads, self.providers = Path(folder), threads, tuple(providers)
        self.model = read_model(self.folder)
        self.K, self.classes = self.model.K, self.model.levels
        self._rights = [
            [(np.array(starts), np.array([0.0, *shares])) for starts, shares in of_k]
            for of_k in self.model.calibration
        ]
        self._graphs: dict[tuple[int, str], Graph] = {}
        self._times = Times(self.model.macs)
        self._ways: dict[tuple[int, float], Ways] = {}
        for k in range(1, self.K + 1):  # a call with a deadline loads nothing
            self._graph(f"subnetwork-{k}.onnx")

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
        self._measure(images)
        return self._measured(images)

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

        Raises:
            ImageError: if something is no image.
            BudgetError: if the thinnest sub-network costs more, or no level is as accurate.
            AnysliceError: if several budgets are given, or one that cannot be.
        """
        start = time.perf_counter()
        check_budgets(
            self.K,
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
            return self._confident(inputs, confidence)
        if subnetwork is not None:
            k = int(subnetwork)
        elif macs is not None:
            k = largest_within(self.model.macs, macs, "multiply-adds")
        elif milliseconds is not None:
            k = largest_within(self._measured(n), milliseconds, "ms")
        elif deadline is not None:
            k = self._in_time(n, deadline - _since(start))
        else:
            enough = (k for k, of in enumerate(self.model.accuracy, 1) if of[0] >= (accuracy or 2))
            k = next(enough, self.K)
        level = finest_level(self.model.accuracy[k - 1], accuracy, k)
        begin = time.perf_counter()
        logits = self.logits(k, inputs)
        spent = _since(begin if deadline is None else start)
        late = 0.0 if deadline is None else max(0.0, spent - deadline)
        found = self._answers(logits, level, k, self.model.macs[k - 1], spent, late=late)
        self._times.note(n, k, _since(begin))
        return found

    def refine(self, images: Any) -> Iterator[list[Prediction]]:
        """Ever better answers of sub-network 1 ... K; nothing is computed before it is asked for.

        An interruptible network computes only what is new. The answers' milliseconds are those
        that the network has taken so far.
        """
        inputs = to_input(images, self.model.images)
        part = "step" if self.model.interruptible else "subnetwork"
        before: list[list[Array]] = [[] for _ in _batches(inputs)]
        spent = 0.0
        for k in range(1, self.K + 1):
            graph = self._graph(f"{part}-{k}.onnx")
            begin = time.perf_counter()
            done = [graph(x, b) for x, b in zip(_batches(inputs), before, strict=True)]
            logits, before = _joined([of for of, _ in done]), [left for _, left in done]
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
            graph = Graph(self.folder, name, self.model, self.threads, self.providers)
            if name.startswith("subnetwork"):  # the first call takes longer than others
                graph(self._zeros(1))
            self._graphs[key] = graph
        return self._graphs[key]

    def _zeros(self, images: int) -> Array:
        format = self.model.images
        return np.zeros((images, format.channels, format.size, format.size), np.float32)

    def _measured(self, images: int) -> list[float]:
        """What each sub-network takes for so many images: known from calls, else measured."""
        known = [self._times.measured(images, k) for k in range(1, self.K + 1)]
        if None in known:
            self._measure(images)
            known = [self._times.measured(images, k) for k in range(1, self.K + 1)]
        return [took for took in known if took is not None]

    def _measure(self, images: int) -> None:
        """Time all sub-networks in turns."""
        inputs = self._zeros(images)
        times: list[list[float]] = [[] for _ in range(self.K)]
        end = time.perf_counter() + SECONDS
        for turn in range(1 + ROUNDS):
            for k, took in enumerate(times, start=1):
                begin = time.perf_counter()
                self._answers(self.logits(k, inputs), 1, k, 0, 0.0)
                took.append(_since(begin))
            if turn >= LEAST and time.perf_counter() > end:
                break
        for k, took in enumerate(times, start=1):
            self._times.set(images, k, median(took[1:]))

    def _in_time(self, images: int, left: float) -> int:
        """The largest sub-network that is expected to answer in so many milliseconds; else 1."""
        for k in range(self.K, 1, -1):
            expected = self._times.expected(images, k)
            loaded = (os.getpid(), f"subnetwork-{k}.onnx") in self._graphs  # not after a fork
            if loaded and expected is not None and MARGIN * expected <= left:
                return k
        return 1

    def _confident(self, inputs: Array, confidence: float) -> list[Prediction]:
        """By the way that costs least here; a warning if the full network costs no more."""
        size = min(len(inputs), LARGEST_BATCH)
        full = self._measured(size)[-1]
        shared = ("steps", "outputs") if self.model.interruptible else ()
        key = 1 << (size - 1).bit_length(), round(confidence, 2)
        ways = self._ways.setdefault(key, Ways((*shared, "subnetworks")))
        begin = time.perf_counter()
        found: list[Prediction] = []
        for part in _batches(inputs):
            way, one = ways.least(), time.perf_counter()
            found += self._until_sure(part, way, confidence, begin)
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

    def _until_sure(
        self, inputs: Array, way: str, confidence: float, begin: float
    ) -> list[Prediction]:
        """For each image the first answer that is right with this probability, else the last."""
        model, K = self.model, self.K
        tried = list(range(1, K + 1))
        if not model.interruptible:  # nothing is shared, each is paid for
            tried = sorted({*(1 << i for i in range(K.bit_length()) if 1 << i < K), K})
        answers: dict[int, Prediction] = {}
        waiting = np.arange(len(inputs))
        features: list[Array] = []
        macs, outputs = 0, self._graph(ALL)(inputs)[0] if way == "outputs" else []
        for k in tried:
            some = inputs[waiting]
            if way == "outputs":
                logits = outputs[(k - 1) * len(self.classes)][waiting]
                macs = model.cumulative_macs[-1]
            elif way == "steps":
                (logits, *_), features = self._graph(f"step-{k}.onnx")(some, features)
                macs = model.cumulative_macs[k - 1]
            else:
                logits, macs = self.logits(k, some)[0], macs + model.macs[k - 1]
            given = self._answers([logits], 1, k, macs, _since(begin), confidence)
            done = np.array([k == K or bool(answer.reached) for answer in given])
            answers |= {int(waiting[row]): given[row] for row in np.flatnonzero(done)}
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
                label=names[label],
                probability=probability,
                right=right,
                reached=None if confidence is None else right >= confidence,
                level=level,
                subnetwork=k,
                macs=macs,
                milliseconds=milliseconds,
                late=late,
                names=names,
                shares=row,
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
