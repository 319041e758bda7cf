"""The anytime predictor: a budget in, the best answer out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anyslice.costs.macs import is_interruptible
from anyslice.errors import AnysliceError
from anyslice.predict.batches import LARGEST_BATCH, in_batches, joined, measured_batch
from anyslice.predict.budget import (
    Below,
    attempts,
    check_below,
    check_budgets,
    check_share,
    finest_level,
    largest_fitting,
    largest_within,
)
from anyslice.predict.engine import Engine, EngineName, Features, LevelLogits
from anyslice.predict.exported import make_engine, usable
from anyslice.predict.images import Picture, to_input, warm_up
from anyslice.predict.latency import (
    Expected,
    LatencyTable,
    Slowdown,
    latency_table,
    until_steps,
    zeros,
)
from anyslice.predict.prediction import Prediction
from anyslice.predict.run_folder import TrainedRun, load_run
from anyslice.taxonomy.labels import spoken_names


class AnytimePredictor:
    """Predictions of a trained anytime network within a budget.

    Args:
        run: what `load_run` gives.
        engine: what runs it.

    Attributes:
        K: number of sub-networks.
        classes: names of the labels of each level, fine to coarse.
    """

    def __init__(self, run: TrainedRun, engine: Engine) -> None:
        self.run, self.engine = run, engine
        self.K = run.network.K
        self.classes = tuple(spoken_names(level.names) for level in run.deployment.levels)
        self.interruptible = is_interruptible(run.network)
        self._slowdown = Slowdown()
        self._run_once = lru_cache(maxsize=None)(self._run_zeros)
        self._ready = lru_cache(maxsize=None)(self._make_ready)
        self._table = lru_cache(maxsize=None)(
            lambda batch, threads: latency_table(run.network, engine, run.weights_sha256, batch)
        )

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        engine: EngineName = "auto",
        device: str = "cpu",
        threads: int | None = None,
    ) -> AnytimePredictor:
        """From the folder of a finished training.

        Args:
            folder: with metrics.json and model.safetensors.
            engine: "onnxruntime", "torch", or "auto": on the CPU ONNX Runtime if it is installed.
            device: "cpu" or "cuda".
            threads: of the CPU; all that PyTorch uses by default.

        Raises:
            RunFolderError: if it is no such folder or damaged.
            AnysliceError: if the engine, the device or so many cores are not there, or engine and
                device do not go together.
        """
        run = load_run(Path(folder))
        if threads is not None:
            cores = os.cpu_count() or threads
            if not 1 <= threads <= cores:
                raise AnysliceError(f"threads={threads}: 1 to {cores} can be used on this machine")
            torch.set_num_threads(threads)
        return cls(run, make_engine(run, engine, usable(device)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.run, self.engine)

    def prepare(self, images: int = 1) -> None:
        """Do at once what calls for so many images need once: make models ready, measure times.

        That takes up to a minute on a machine that has not seen the network, then about a second. A
        call does what it needs of it itself, and if it has a deadline, is late by it.
        """
        self._ready(images, self.engine.threads, os.getpid())

    def latency(self, batch: int = 1) -> LatencyTable:
        """What each sub-network takes on this machine for so many images; measured if need be."""
        return self._table(batch, self.engine.threads)

    def predict(
        self,
        images: Picture | Iterable[Picture] | Tensor,
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
            images: one or several files, images of Pillow or uint8 arrays; or the network's input.
            subnetwork: use this one, 1 ... K.
            macs: multiply-adds that may be spent on an image.
            milliseconds: that the network may take for all images together, by what its
                sub-networks usually take on this machine.
            deadline: milliseconds from the call on until the answers must be there.
            confidence: stop at the first answer that is right with this probability, by the
                validation images.
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
            subnetwork=subnetwork,
            macs=macs,
            milliseconds=milliseconds,
            deadline=deadline,
            confidence=confidence,
        )
        check_share("accuracy", accuracy)
        check_below(below)
        if subnetwork is not None:
            self.run.network.check_k(subnetwork)
        inputs = to_input(images, self.run.deployment.images)
        if deadline is not None:
            return self._until(inputs, start, deadline, accuracy, below)
        if confidence is not None:
            return self._confident(inputs, confidence, accuracy, below)
        if subnetwork is not None:
            k = int(subnetwork)
        elif macs is not None:
            k = largest_within(self.run.deployment.macs, macs, "multiply-adds", below)
        elif milliseconds is not None:
            k = largest_within(self._expected(len(inputs)), milliseconds, "ms", below)
        else:
            k = self._cheapest(accuracy)
        level = self._level(k, accuracy, below)
        self._warm(k, len(inputs))
        begin = time.perf_counter()
        logits = self._run(k, inputs)
        spent = 1e3 * (time.perf_counter() - begin)
        macs_spent = [self.run.deployment.macs[k - 1]] * len(inputs)
        return self._answers(logits, level, k, macs_spent, spent)

    def refine(self, images: Picture | Iterable[Picture] | Tensor) -> Iterator[list[Prediction]]:
        """Ever better answers, from sub-network 1 to K; stop whenever there is no more time.

        Interruptible networks (IS-ResNeXt, MSDNet, shallow networks) compute only what is new.
        """
        inputs = to_input(images, self.run.deployment.images)
        self._warm(None, len(inputs))
        begin = time.perf_counter()
        for k, logits in self._refined(inputs):
            spent = 1e3 * (time.perf_counter() - begin)
            macs = [self.run.deployment.cumulative_macs[k - 1]] * len(inputs)
            yield self._answers(logits, 1, k, macs, spent)

    def _refined(self, inputs: Tensor) -> Iterator[tuple[int, LevelLogits]]:
        parts = in_batches(inputs)
        features: list[Features] = [()] * len(parts)
        for k in range(1, self.K + 1):
            if not self.interruptible:
                yield k, self._run(k, inputs)
                continue
            steps = [self.engine.step(k, *given) for given in zip(parts, features, strict=True)]
            features = [left for _, left in steps]
            yield k, joined([logits for logits, _ in steps])

    def _warm(self, k: int | None, images: int) -> None:
        """Have the engine ready for sub-network k, or for refinement, before time counts."""
        self._run_once(k, images if self.engine.recording else 1, os.getpid())

    def _run_zeros(self, k: int | None, images: int, process: int) -> None:
        inputs = zeros(self.run.network, images)
        if k is not None:
            self._run(k, inputs)
        else:
            list(self._refined(inputs))

    def _run(self, k: int, inputs: Tensor) -> LevelLogits:
        return joined([self.engine.subnetwork(k, part) for part in in_batches(inputs)])

    def _expected(self, images: int) -> list[float]:
        """Milliseconds that each sub-network usually takes for so many images."""
        calls = -(-images // LARGEST_BATCH)
        table = self.latency(measured_batch(images))
        return [calls * latency.median for latency in table.subnetworks]

    def _cheapest(self, accuracy: float | None) -> int:
        """The smallest sub-network as accurate as asked for the classes; K if there is none."""
        found = (k for k in range(1, self.K + 1) if self.run.accuracy[k - 1][0] >= (accuracy or 2))
        return next(found, self.K)

    def _level(self, k: int, accuracy: float | None, below: Below) -> int:
        """The finest level at which sub-network k is as accurate as asked."""
        return finest_level(self.run.accuracy[k - 1], accuracy, k, below)

    def _until(
        self, inputs: Tensor, start: float, deadline: float, accuracy: float | None, below: Below
    ) -> list[Prediction]:
        """The best answer that is expected to be there in time; the thinnest at any rate.

        A sub-network by itself takes less time than the steps that lead to it, but steps can go on
        as long as there is time: they are taken where they are expected to come as far.
        """
        expected = self._ready(len(inputs), self.engine.threads, os.getpid())
        slower = self._slowdown.factor

        def left() -> float:
            return (deadline - expected.naming - 1e3 * (time.perf_counter() - start)) / slower

        begin, remaining = time.perf_counter(), left()
        alone = largest_fitting(expected.alone, remaining)
        if 0 < alone <= largest_fitting(expected.by_steps, remaining):
            refined = self._refined(inputs)
            k, logits = next(refined)
            while k < self.K and expected.steps[k] <= left():
                k, logits = next(refined)
            macs, within = self.run.deployment.cumulative_macs[k - 1], expected.by_steps
        else:
            k = max(1, alone)
            logits = self._run(k, inputs)
            macs, within = self.run.deployment.macs[k - 1], expected.alone
        self._slowdown.add(1e3 * (time.perf_counter() - begin) / within[k - 1])
        level = self._level(k, accuracy, below)
        probabilities = self._probabilities(logits, level)
        spent = 1e3 * (time.perf_counter() - start)
        late = max(0.0, spent - deadline)
        return [Prediction.of(each, level, k, macs, spent, late) for each in probabilities]

    def _make_ready(self, images: int, threads: int, process: int) -> Expected:
        """Do what calls for so many images need once; what they are expected to take then.

        With other threads they take another time, and a forked process makes its models anew.
        """
        table = self.latency(measured_batch(images))
        warm_up(self.run.deployment.images)
        for k in range(1, self.K + 1):
            self._warm(k, images)
        if self.interruptible:
            self._warm(None, images)
        calls = -(-images // LARGEST_BATCH)
        steps = table.steps if calls == 1 else ()
        return Expected(
            alone=tuple(calls * each.high for each in table.subnetworks),
            by_steps=until_steps(steps),
            steps=tuple(step.high for step in steps),
            naming=self._time_naming(images),
        )

    def _time_naming(self, images: int) -> float:
        """Milliseconds that making answers of logits takes."""
        logits = tuple(np.zeros((images, len(names)), np.float32) for names in self.classes)
        seconds = []
        for _ in range(5):
            begin = time.perf_counter()
            self._answers(logits, 1, 1, [0] * images, 0.0)
            seconds.append(time.perf_counter() - begin)
        return 1e3 * max(seconds)

    def _confident(
        self, inputs: Tensor, confidence: float, accuracy: float | None, below: Below
    ) -> list[Prediction]:
        """For each image the first answer that is probably right, or that of the full network."""
        self._warm(None, min(len(inputs), LARGEST_BATCH))
        begin = time.perf_counter()
        found = [
            self._confident_batch(part, confidence, accuracy, below, begin)
            for part in in_batches(inputs)
        ]
        return [prediction for of_part in found for prediction in of_part]

    def _confident_batch(
        self,
        inputs: Tensor,
        confidence: float,
        accuracy: float | None,
        below: Below,
        begin: float,
    ) -> list[Prediction]:
        answers: dict[int, Prediction] = {}
        waiting = list(range(len(inputs)))
        features: Features = ()
        macs = 0
        for k in attempts(self.K, self.interruptible):
            serves = k == self.K or max(self.run.accuracy[k - 1]) >= (accuracy or 0)
            if not (serves or self.interruptible):
                continue
            some = inputs if len(waiting) == len(inputs) else inputs[waiting]
            if self.interruptible:
                logits, features = self.engine.step(k, some, features)
                macs = self.run.deployment.cumulative_macs[k - 1]
            else:
                logits = self.engine.subnetwork(k, some)
                macs += self.run.deployment.macs[k - 1]
            if not serves:
                continue
            level = self._level(k, accuracy, below)
            spent = 1e3 * (time.perf_counter() - begin)
            given = self._answers(logits, level, k, [macs] * len(waiting), spent)
            threshold = self._threshold(k, level, confidence)
            stays = [k < self.K and not answer.probability >= threshold for answer in given]
            rows = [row for row, stay in enumerate(stays) if stay]
            for row, answer in enumerate(given):
                if not stays[row]:
                    answers[waiting[row]] = answer
            if not rows:
                break
            if len(rows) < len(waiting) and self.interruptible:
                features = self.engine.select(features, rows)
            waiting = [waiting[row] for row in rows]
        return [answers[index] for index in range(len(inputs))]

    def _threshold(self, k: int, level: int, confidence: float) -> float:
        """The least probability at which an answer of sub-network k is right so often."""
        calibration = self.run.deployment.calibration[k - 1][level - 1]
        reached = zip(calibration.confidences, calibration.accuracies, strict=True)
        return next((start for start, share in reached if share >= confidence), float("inf"))

    def _answers(
        self,
        logits: LevelLogits,
        level: int,
        k: int,
        macs: Sequence[int],
        milliseconds: float,
    ) -> list[Prediction]:
        probabilities = self._probabilities(logits, level)
        return [
            Prediction.of(each, level, k, spent, milliseconds)
            for each, spent in zip(probabilities, macs, strict=True)
        ]

    def _probabilities(self, logits: LevelLogits, level: int) -> list[dict[str, float]]:
        """Of each image those of all labels, the most probable first."""
        names = self.classes[level - 1]
        shares = torch.from_numpy(logits[level - 1]).softmax(dim=1).numpy()
        orders = np.argsort(-shares, kind="stable")
        return [
            {names[i]: float(row[i]) for i in order}
            for row, order in zip(shares, orders, strict=True)
        ]
