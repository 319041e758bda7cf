"""An exported folder is whole, or what is wrong with it is said, at once and without running it."""

import copy
import hashlib
import json
import shutil
import sys
import time
from functools import reduce

import numpy as np
import pytest

from anyslice.runtime import AnytimePredictor, ModelFolderError


@pytest.fixture
def copy_of(tmp_path, folder_of):
    return lambda name: shutil.copytree(folder_of(name), tmp_path / "model")


def change(folder, at, value):
    """Put a value at some keys of model.json."""
    path = folder / "model.json"
    document = json.loads(path.read_text())
    reduce(lambda node, key: node[key], at[:-1], document)[at[-1]] = value
    path.write_text(json.dumps(document))


def refused(folder, message):
    begin = time.perf_counter()
    with pytest.raises(ModelFolderError, match=message) as error:
        AnytimePredictor(folder)
    assert time.perf_counter() - begin < 5
    assert "\n" not in str(error.value).rstrip()
    assert len(str(error.value)) < 1000


def test_model_json_and_the_graphs_are_enough(copy_of, tmp_path, predictor_of, images, monkeypatch):
    folder = copy_of("is-resnext")
    (folder / "README.md").unlink()
    monkeypatch.chdir(tmp_path)
    found = AnytimePredictor(folder).predict(images)
    assert [a.label for a in found] == [a.label for a in predictor_of("is-resnext").predict(images)]


def test_no_folder(tmp_path):
    refused(tmp_path / "none", "there is no folder .*none")
    refused(tmp_path, r"has no model\.json; give a folder that `anyslice export RUN")


def test_a_trainings_folder_is_to_be_exported_first(write_run, tmp_path):
    refused(write_run("i-resnext", tmp_path / "run"), "`anyslice export .*run --output FOLDER`")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\x00",
        b"\xff\xfe",
        b"{}",
        b"[" * 100_000,
        b'{"schema": ' * 5000,
        b'{"schema": NaN}',
        b'{"schema": 1' + b"0" * 5000 + b"}",
    ],
)
def test_a_model_json_that_is_none(copy_of, content):
    folder = copy_of("i-resnext")
    (folder / "model.json").write_bytes(content)
    refused(folder, r"model\.json")


def test_a_newer_schema(copy_of):
    folder = copy_of("i-resnext")
    change(folder, ["schema"], 2)
    refused(folder, "has schema 2, and this version of anyslice reads 1")


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (["images", "channels"], -1, r"'images\.channels': 1 or 3"),
        (["images", "channels"], True, r"'images\.channels'"),
        (["images", "mean"], [], r"'images\.mean': a list of 1 is needed \(found \[\]\)"),
        (["images", "mean"], [1e999], r"holds no JSON|'images\.mean"),
        (["images", "std"], [0.3, 0.3, 0.3], r"'images\.std'"),
        (["images", "std"], [0], r"'images\.std\[0\]': a number from 1e-06"),
        (["images", "shrink"], 0, r"'images\.shrink'"),
        (["images", "shrink"], 10**9, r"'images\.shrink'"),
        (["images", "size"], 10**6, r"'images\.size'"),
        (["images", "pad"], 16, r"'images\.pad'"),
        (["images", "storage"], "evil:module", r"'images\.storage'"),
        (["macs"], [-1, 2, 3, 4], r"'macs\[0\]'"),
        (["macs"], [1] * 101, r"'macs': a list of 1 to 100"),
        (["macs", 0], 1.5, r"'macs\[0\]': a whole number"),
        (["macs", 0], 2**80, r"'macs\[0\]'"),
        (["cumulative_macs"], [4, 3, 2, 1], "'cumulative_macs': a list of rising numbers"),
        (["accuracy", 0], [1.5], r"'accuracy\[0\]\[0\]'"),
        (["test_error", 0], [-1], r"'test_error\[0\]\[0\]'"),
        (["calibration", 0, 0, "accuracies", -1], 1.0, "no answer is certain"),
        (["calibration", 0, 0, "confidences", 0], 0.99, "rising"),
        (["calibration", 0, 0, "accuracies"], [0.1], "a list of"),
        (["calibration", 0], [], r"'calibration\[0\]'"),
        (["levels", 0, "names"], ["boot", "boot"], "'boot' is there twice"),
        (["levels", 0, "names"], ["boot"] * 10**6, "a list of 1 to 100000"),
        (["levels", 0, "names"], ["x" * 2000], "a text of 1 to 1000"),
        (["levels", 0, "names"], 10**9, "a list of"),
        (["levels", 0, "names"], ["a", "b"], r"gives \[10\] labels, not .*\[2\]"),
        (["interruptible"], 1, "True or False"),
        (["interruptible"], True, "a mapping with 'step-1.onnx'"),
        (["graphs"], {"../../evil.onnx": "0"}, "a mapping with 'subnetwork-1.onnx'"),
        (["graphs"], [], "a mapping with"),
    ],
)
def test_what_cannot_be_is_refused(copy_of, at, value, message):
    folder = copy_of("i-resnext")
    change(folder, at, value)
    refused(folder, message)


def test_what_a_folder_names_is_not_imported(copy_of, tmp_path, monkeypatch):
    folder = copy_of("i-resnext")
    (tmp_path / "evilmod.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    change(folder, ["training", "network", "name"], "evilmod:x")
    change(folder, ["family"], "evilmod:x")
    AnytimePredictor(folder).predict(np.zeros((28, 28), np.uint8))
    assert "evilmod" not in sys.modules


def values_in(node, at=()):
    """The keys that lead to each value of a document; of lists, to the first element."""
    if at:
        yield at
    children = {dict: lambda: node.items(), list: lambda: list(enumerate(node))[:1]}
    for key, child in children.get(type(node), list)():
        yield from values_in(child, (*at, key))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["i-resnext", "levels"])
def test_whatever_is_wrong_with_one_value_is_said_or_does_not_matter(exported, tmp_path, name):
    folder = shutil.copytree(exported(name)[1], tmp_path / "model")
    document = json.loads((folder / "model.json").read_text())
    said, answered = [], 0
    for at in values_in(document):
        for value in (None, -1, []):
            changed = copy.deepcopy(document)
            reduce(lambda node, key: node[key], at[:-1], changed)[at[-1]] = value
            (folder / "model.json").write_text(json.dumps(changed))
            try:
                predictor = AnytimePredictor(folder)
                (answer,) = predictor.predict(np.zeros((28, 28), np.uint8), confidence=0.9)
            except ModelFolderError as error:
                said.append(str(error))
                continue
            assert 0 <= answer.probability <= 1, (at, value)
            answered += 1
    assert min(len(said), answered) > 50
    assert all(str(folder) in message for message in said)


def test_a_graph_that_is_missing_is_named(copy_of):
    folder = copy_of("i-resnext")
    (folder / "subnetwork-3.onnx").unlink()
    refused(folder, r"subnetwork-3\.onnx is missing")


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: b"", lambda c: c[:-1] + b"?"])
def test_a_damaged_graph_is_refused(copy_of, damage):
    folder = copy_of("i-resnext")
    path = folder / "subnetwork-1.onnx"
    path.write_bytes(damage(path.read_bytes()))
    refused(folder, r"subnetwork-1\.onnx is damaged")


def with_graph(folder, content):
    """The folder with another first graph, as if it had been exported."""
    (folder / "subnetwork-1.onnx").write_bytes(content)
    change(folder, ["graphs", "subnetwork-1.onnx"], hashlib.sha256(content).hexdigest())
    return folder


def test_what_is_no_graph_is_refused(copy_of):
    refused(with_graph(copy_of("i-resnext"), b"no graph"), r"subnetwork-1\.onnx cannot be run")


def test_a_graph_of_another_network_is_refused(copy_of, folder_of):
    graph = (folder_of("cifar10/is-resnext") / "subnetwork-1.onnx").read_bytes()
    refused(with_graph(copy_of("i-resnext"), graph), "as model.json says")


def test_a_graph_whose_weights_lie_elsewhere_is_refused(copy_of):
    onnx = pytest.importorskip("onnx")
    folder = copy_of("i-resnext")
    model = onnx.load(folder / "subnetwork-1.onnx")
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../secret")
    refused(with_graph(folder, model.SerializeToString()), "refers to other files")
