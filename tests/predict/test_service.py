"""What services do with a predictor: processes, threads, many images, a cache that is shared."""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from anyslice.paths import user_cache
from anyslice.predict import AnytimePredictor, cache, latency
from anyslice.predict.batches import LARGEST_BATCH

ENGINES = ("torch", pytest.param("onnxruntime", marks=pytest.mark.slow))

FORK = """
import os, sys, torch
from anyslice.predict import AnytimePredictor
folder, engine = sys.argv[1:]
torch.set_num_threads(2)
predictor = AnytimePredictor.load(folder, engine=engine)
images = torch.rand(200, 1, 16, 16)  # as many numbers as PyTorch shares among its threads
labels = lambda: [answer.label for answer in predictor.predict(images)]
expected = labels()
child = os.fork()
if not child:
    before, predictor.engine.subnetwork = predictor.engine.subnetwork, lambda k, i: again(k, i)
    warmed = []
    again = lambda k, images: warmed.append(len(images)) or before(k, images)
    os._exit(labels() != expected or warmed != [1, 64, 64, 64, 8])  # made ready in this process too
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_a_forked_process_answers_as_the_one_that_loaded_the_network(folder_of, engine):
    """PyTorch's and ONNX Runtime's threads stay behind; the child would wait for them for ever."""
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    command = [sys.executable, "-c", FORK, str(folder_of("i-resnext")), engine]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pickled_predictor_answers_as_before(folder_of, images, engine):
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    predictor = AnytimePredictor.load(folder_of("is-resnext"), engine=engine)
    before = predictor.predict(images, macs=1e6)
    copy = pickle.loads(pickle.dumps(predictor))
    assert copy.engine.name == predictor.engine.name
    for ours, theirs in zip(copy.predict(images, macs=1e6), before, strict=True):
        assert (ours.label, ours.probability) == (theirs.label, theirs.probability)


def test_threads_that_ask_at_once_measure_once(folder_of, tmp_path, monkeypatch):
    """Measured side by side the times would be too long, and they are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = []

    def measure(network, engine, batch):
        measured.append(threading.get_ident())
        time.sleep(0.05)
        times = (latency.Latency(1, (1, 1), 1),) * network.K
        machine = latency.this_machine()
        return latency.LatencyTable(engine.name, machine, batch, 9, times, times)

    monkeypatch.setattr(latency, "measure", measure)
    predictor = AnytimePredictor.load(folder_of("i-resnext"), engine="torch")
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: predictor.latency(), range(4)))
    assert len(measured) == 1
    assert len(set(map(str, tables))) == 1


PREDICT = """
import sys
from anyslice.predict import AnytimePredictor
import torch
predictor = AnytimePredictor.load(sys.argv[1], engine="onnxruntime")
predictor.predict(torch.zeros(1, 1, 16, 16), subnetwork=1)
"""


@pytest.mark.slow
def test_onnx_runtime_sends_nothing_about_its_use(folder_of, tmp_path):
    """It would keep an identifier and what is to be sent in the user's cache."""
    pytest.importorskip("onnxruntime")
    left_out = ("CI", "ORT_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    environment["XDG_CACHE_HOME"] = str(tmp_path)
    command = [sys.executable, "-c", PREDICT, str(folder_of("i-resnext"))]
    subprocess.run(command, env=environment, timeout=120, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["anyslice"]


MAKE = """
import sys, time
from pathlib import Path
from anyslice.predict.cache import kept_or_made
def make():
    with open(sys.argv[2], "a") as made:
        made.write("made ")
    time.sleep(1)
    return b"content"
assert kept_or_made(Path(sys.argv[1]), make) == b"content"
"""


@pytest.mark.slow
def test_of_processes_that_share_a_cache_one_makes_what_is_kept(tmp_path):
    command = [sys.executable, "-c", MAKE, str(tmp_path / "c/kept"), str(tmp_path / "made")]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert (tmp_path / "made").read_text() == "made "


@pytest.mark.parametrize("named", ["", "cache", "./cache"])
def test_the_users_cache_is_in_no_folder_that_happens_to_be_current(monkeypatch, named):
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert user_cache() == Path.home() / ".cache"


def test_a_cache_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file/anyslice/onnx/model.onnx"
    with pytest.warns(UserWarning, match=r"cannot be kept in .*file/anyslice"):
        assert cache.kept_or_made(path, lambda: b"made") == b"made"


@pytest.mark.parametrize("name", ["i-resnext", "is-resnext"])
def test_many_images_are_refined_in_batches(predictor_of, monkeypatch, name):
    predictor = predictor_of(name)
    images = torch.randn(LARGEST_BATCH + 6, 1, 16, 16)
    step, largest = predictor.engine.step, []
    monkeypatch.setattr(
        predictor.engine,
        "step",
        lambda k, some, left: largest.append(len(some)) or step(k, some, left),
    )
    for k, answers in enumerate(predictor.refine(images), start=1):
        alone = predictor.predict(images, subnetwork=k)
        assert [a.probability for a in answers] == pytest.approx([a.probability for a in alone])
    assert max(largest, default=0) <= LARGEST_BATCH


def test_with_confidence_an_images_time_counts_from_the_call(predictor_of):
    predictor = predictor_of("is-resnext")
    answers = predictor.predict(torch.randn(2 * LARGEST_BATCH, 1, 16, 16), confidence=0.5)
    first, second = answers[:LARGEST_BATCH], answers[LARGEST_BATCH:]
    assert max(a.milliseconds for a in first) < min(a.milliseconds for a in second)


def test_budgets_as_json_brings_them_are_answered(predictor_of, images):
    predictor = predictor_of("i-resnext")
    assert predictor.predict(images, **json.loads('{"macs": 1e12}'))[0].subnetwork == 4
    assert predictor.predict(images, **json.loads('{"subnetwork": 2}'))[0].subnetwork == 2
