"""What exported networks promise: batch 1, one thread, ratios within rounds, on an idle machine.

All that is promised of prediction, each with the ratio that was found:

    pytest -s -m "perf or not perf" -k "test_speed or confidence_saves" tests/predict

Networks have CIFAR's size and are not trained, for weights change no time. At equal error the
released models are compared, or with SPEED_RUNS=results/<scale>/runs/<dataset> a study's runs.
"""

import functools
import os
import random
from pathlib import Path
from statistics import mean, median

import pytest
import torch

from anyslice.costs.bench import CIFAR_SIZES, ratio, take_turns
from anyslice.costs.macs import count, cumulative_macs
from anyslice.jobs.deployment import Calibration, Deployment, ImageFormat, LabelLevel
from anyslice.networks import build
from anyslice.predict.budget import largest_fitting
from anyslice.predict.exported import make_engine
from anyslice.predict.latency import actions_of, zeros
from anyslice.predict.predictor import AnytimePredictor
from anyslice.predict.run_folder import TrainedRun

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.perf

ROUNDS = 60


@functools.cache
def untrained(name):
    """A run of a network that was not trained: weights change no time."""
    family, hyperparameters = CIFAR_SIZES[name]
    torch.manual_seed(0)
    network = build(family, classes=10, image_size=32, **hyperparameters)
    with torch.no_grad():
        network.train()(torch.randn(8, 3, 32, 32))
    network.eval()
    macs = [cost.macs for cost in count(network)]
    known = ((Calibration((0.0,), (0.5,)),),) * network.K
    deployment = Deployment(
        ImageFormat("tensor", 32, 3, (0.5,) * 3, (0.25,) * 3, pad=0, shrink=1),
        (LabelLevel(tuple("abcdefghij"), tuple(range(10))),),
        tuple(macs),
        tuple(cumulative_macs(network, macs)),
        known,
    )
    share = ((0.5,),) * network.K
    return TrainedRun(name, family, network, deployment, share, share, f"untrained {name}")


@functools.cache
def predictor(name):
    run = untrained(name)
    return AnytimePredictor(run, make_engine(run, "onnxruntime", torch.device("cpu")))


@functools.cache
def turns(name):
    """Seconds of each sub-network and step by ONNX Runtime, and of eager sub-networks."""
    run = untrained(name)
    image = torch.randn(1, 3, 32, 32)
    actions = dict(actions_of(run.network, predictor(name).engine, image))
    for k in range(1, run.network.K + 1):
        module = run.network.subnetwork(k).eval()
        actions[f"eager {k}"] = torch.inference_mode()(functools.partial(module, image))
    actions["all exits"] = torch.inference_mode()(functools.partial(run.network, image))
    take_turns(actions, 3)
    return take_turns(actions, ROUNDS, warm=True)


def show(what, value):
    print(f"\n{what}: {value:.3f}")


@pytest.mark.parametrize(("name", "most"), [("i-resnext", 0.3), ("is-resnext", 0.25)])
def test_the_thinnest_takes_a_small_part_of_the_full_ones_time(name, most):
    K = untrained(name).network.K
    seconds = turns(name)
    found = ratio(seconds["subnetwork 1"], seconds[f"subnetwork {K}"])
    show(f"{name}: thinnest / full", found)
    assert found <= most


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext", "msdnet"])
def test_exported_subnetworks_are_faster_than_eager_pytorch(name):
    seconds = turns(name)
    K = untrained(name).network.K
    speedups = [ratio(seconds[f"eager {k}"], seconds[f"subnetwork {k}"]) for k in range(1, K + 1)]
    print(f"\n{name}: eager / exported {', '.join(f'{s:.2f}' for s in speedups)}")
    medians = [round(1e3 * median(seconds[f"subnetwork {k}"]), 3) for k in range(1, K + 1)]
    print(f"{name}: ms {medians}")
    show(
        f"{name}: eager with all exits / exported full",
        ratio(seconds["all exits"], seconds[f"subnetwork {K}"]),
    )
    assert min(speedups) >= 2.5


def runs_of(root):
    """Each run of a data set with its first seed."""
    folder = Path(os.environ.get("SPEED_RUNS") or root / "models/fashion-mnist-quick")
    found = {}
    for path in sorted(folder.glob("**/model.safetensors")):
        found.setdefault(path.relative_to(folder).parts[0], path.parent)
    return [AnytimePredictor.load(path, engine="onnxruntime") for path in found.values()]


def least_error(anytime):
    return min(by_level[0] for by_level in anytime.run.test_error)


def test_at_equal_error_ours_is_faster_than_msdnet_as_public_code_runs_it(root):
    """At the least error that both reach; public code computes all exits, whichever answers."""
    runs = runs_of(root)
    public = min((r for r in runs if r.run.family == "MSDNet"), key=least_error)
    ours = [r for r in runs if r.run.family in ("I-ResNeXt", "IS-ResNeXt")]
    error = max(least_error(public), min(map(least_error, ours)))
    image = zeros(public.run.network, 1)
    actions = {"public": torch.inference_mode()(functools.partial(public.run.network, image))}
    for anytime in ours:
        for k, (reached, *_) in enumerate(anytime.run.test_error, start=1):
            if reached <= error:
                call = functools.partial(anytime.engine.subnetwork, k, image)
                actions[f"{anytime.run.name}, sub-network {k}"] = call
    take_turns(actions, 3)
    seconds = take_turns(actions, ROUNDS, warm=True)
    speedups = {name: ratio(seconds["public"], times) for name, times in seconds.items()}
    best = max(speedups, key=speedups.__getitem__)
    show(f"MSDNet eager, all exits / {best}, at {error:.2f} % error", speedups[best])
    assert speedups[best] >= 5


def test_all_steps_of_is_resnext_take_little_more_than_one_full_pass():
    seconds = turns("is-resnext")
    steps = [sum(times) for times in zip(*(seconds[f"step {k}"] for k in range(1, 7)), strict=True)]
    found = ratio(steps, seconds["subnetwork 6"])
    show("is-resnext: all steps / full", found)
    assert found <= 1.2


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_deadlines_are_met_by_nearly_the_best_subnetwork(name):
    """From what an answer of the thinnest takes, call and all, to twice that of the full one.

    Timed in turns with all others, since after another one it takes longer than after itself.
    """
    anytime = predictor(name)
    image = torch.randn(1, 3, 32, 32)
    answer_of = functools.partial(anytime.predict, image)
    calls = {str(k): functools.partial(answer_of, subnetwork=k) for k in range(1, anytime.K + 1)}
    thinnest, *_, full = (1e3 * median(times) for times in take_turns(calls, ROUNDS).values())
    anytime.prepare()
    alone = [subnetwork.median for subnetwork in anytime.latency().subnetworks]
    draw = random.Random(0)
    late, short = [], []
    for _ in range(1000):
        deadline = draw.uniform(thinnest, 2 * full)
        (answer,) = answer_of(deadline=deadline)
        late.append(answer.late > 0)
        short.append(largest_fitting(alone, deadline) - answer.subnetwork)
    show(f"{name}: deadlines met", 1 - mean(late))
    show(f"{name}: sub-networks below the best", mean(short))
    assert mean(late) <= 0.01
    assert mean(short) <= 1
