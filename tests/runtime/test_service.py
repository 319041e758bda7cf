"""What services do with a predictor: processes, threads, a fork, a bare environment."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from anyslice.runtime import AnytimePredictor

FORK = """
import os, sys, numpy
from anyslice.runtime import AnytimePredictor
predictor = AnytimePredictor(sys.argv[1], threads=min(2, os.cpu_count()))
images = numpy.random.default_rng(0).random((200, 1, 16, 16), dtype=numpy.float32)
labels = lambda: [answer.label for answer in predictor.predict(images)]
expected = labels()
child = os.fork()
if not child:
    os._exit(labels() != expected)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_answers_as_the_one_that_loaded_the_network(folder_of):
    """ONNX Runtime's threads stay behind; the child would wait for them for ever."""
    command = [sys.executable, "-c", FORK, str(folder_of("i-resnext"))]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_a_pickled_predictor_answers_as_before(folder_of, images):
    predictor = AnytimePredictor(folder_of("is-resnext"), threads=1)
    before = predictor.predict(images, macs=1e6)
    copy = pickle.loads(pickle.dumps(predictor))
    assert copy.predict(images, macs=1e6)[0].probability == before[0].probability


def test_threads_that_share_a_predictor_get_the_answers_of_one(predictor_of, images):
    predictor = predictor_of("is-resnext")
    expected = {k: predictor_of("is-resnext").predict(images, subnetwork=k) for k in (1, 2, 3, 4)}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: predictor.predict(images, subnetwork=k), [1, 2, 3, 4] * 9))
    for k, answers in zip([1, 2, 3, 4] * 9, found, strict=True):
        assert [a.label for a in answers] == [a.label for a in expected[k]]


def test_budgets_as_json_brings_them_are_answered(predictor_of, images):
    predictor = predictor_of("i-resnext")
    assert predictor.predict(images, **json.loads('{"macs": 1e12}'))[0].subnetwork == 4
    assert predictor.predict(images, **json.loads('{"subnetwork": 2}'))[0].subnetwork == 2


ONLY = {"anyslice", "click", "numpy", "onnxruntime", "PIL"}
THEIRS = {"google", "flatbuffers", "packaging", "coloredlogs", "sympy", "defusedxml"}
"""What those import themselves where it is installed."""

COMMAND = """
import sys
from anyslice.cli.main import main
try:
    main(sys.argv[1:], prog_name="anyslice")
finally:
    print(*{name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)
"""


def test_the_command_line_predicts_with_nothing_but_the_runtimes_own_packages(folder_of, photo):
    arguments = ["predict", str(folder_of("is-resnext")), str(photo), "--milliseconds", "30"]
    command = [sys.executable, "-c", COMMAND, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    table, _, imported = said.rstrip().rpartition("\n")
    assert "boot.png" in table
    found = {name for name in imported.split() if not name.startswith(("_", "cython"))}
    assert ONLY <= found
    assert not {"torch", "pydantic", "pandas", "yaml", "filelock", "safetensors"} & found
    assert found <= ONLY | THEIRS


def test_onnx_runtime_sends_nothing_about_its_use(folder_of, photo, tmp_path):
    """It would keep an identifier and what is to be sent in the user's cache."""
    left_out = ("CI", "ORT_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST")
    environment = {key: value for key, value in os.environ.items() if key not in left_out}
    cache = tmp_path / "cache"
    cache.mkdir()
    arguments = ["predict", str(folder_of("i-resnext")), str(photo)]
    command = [sys.executable, "-m", "anyslice", *arguments]
    subprocess.run(command, env=environment | {"XDG_CACHE_HOME": str(cache)}, check=True)
    assert list(cache.iterdir()) == []


def test_it_answers_where_the_current_folder_was_deleted(folder_of, photo, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); from anyslice.__main__ import start; start()"
    arguments = ["predict", str(folder_of("i-resnext")), str(photo)]
    command = [sys.executable, "-P", "-c", program, *arguments]
    said = subprocess.run(command, cwd=gone, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "boot.png" in said.stdout
