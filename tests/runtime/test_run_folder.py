"""A run folder is complete, or what is wrong with it is said."""

import copy
import json
import shutil
from functools import reduce

import pytest
import torch
from safetensors.torch import save_file

from anyslice.export.run_folder import RunFolderError, load_run
from anyslice.files import sha256


@pytest.fixture
def copy_of(tmp_path, write_run):
    return lambda name: write_run(name, tmp_path / "run")


def change(folder, **changes):
    path = folder / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def paths(node, at=()):
    """The keys that lead to each value of a JSON document; of lists, to their first element."""
    if at:
        yield at
    children = {dict: lambda: node.items(), list: lambda: list(enumerate(node))[:1]}
    for key, child in children.get(type(node), list)():
        yield from paths(child, (*at, key))


def put(document, at, value):
    """A copy of the document with another value there."""
    changed = copy.deepcopy(document)
    reduce(lambda node, key: node[key], at[:-1], changed)[at[-1]] = value
    return changed


def refused(folder, message):
    with pytest.raises(RunFolderError, match=message):
        load_run(folder)


def test_no_folder(tmp_path):
    refused(tmp_path / "none", "none is not the folder of a finished training")
    refused(tmp_path, r"not the folder of a finished training: it has no metrics\.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", "\x00", "[" * 10**5])
def test_metrics_that_are_none(copy_of, content):
    folder = copy_of("i-resnext")
    (folder / "metrics.json").write_text(content)
    refused(folder, r"metrics\.json")


def test_metrics_of_an_earlier_version(copy_of):
    folder = copy_of("i-resnext")
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text())
    del metrics["deployment"]
    path.write_text(json.dumps(metrics))
    refused(folder, "no 'deployment': .* of an earlier version; train the run again")


def test_a_recipe_of_an_earlier_version_does_not_matter(copy_of):
    folder = copy_of("i-resnext")
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["parameters"]["recipe"]["selection"]
    metrics["parameters"]["recipe"]["warm_up"] = 3
    (folder / "metrics.json").write_text(json.dumps(metrics))
    assert load_run(folder).training["recipe"]["warm_up"] == 3


def test_metrics_that_say_too_little(copy_of):
    folder = copy_of("i-resnext")
    deployment = json.loads((folder / "metrics.json").read_text())["deployment"]
    change(folder, deployment=deployment | {"macs": deployment["macs"][:-1]})
    refused(folder, "'cumulative_macs': a list of 3 is needed")
    change(folder, deployment={k: v for k, v in deployment.items() if k != "levels"})
    refused(folder, r"deployment.*levels")


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (("deployment", "images", "channels"), -1, r"'deployment\.images\.channels'"),
        (("deployment", "images", "shrink"), 10**9, r"'images\.shrink'.*from 1 to 64"),
        (("deployment", "images", "std", 0), 0, r"'images\.std\[0\]'"),
        (("deployment", "macs", 0), -1, r"'macs\[0\]'"),
        (("deployment", "levels", 0, "labels", 0), 10**9, "label's number"),
        (("deployment", "levels", 0, "names", 1), "T-shirt/top", "is there twice"),
        (("deployment", "calibration", 0, 0, "confidences", 0), float("nan"), r"confidences\[0\]"),
        (("validation_error_by_level", 0, 0), float("nan"), r"'accuracy\[0\]\[0\]'"),
        (("parameters", "network", "L"), 3 * 10**7, "less than or equal to 10000"),
        (("parameters", "network", "W"), 2**40, "less than or equal to 10000"),
        (("parameters", "network", "name"), "os:path", "'os:path'.*--trust"),
    ],
)
def test_a_strangers_numbers_that_cannot_be_and_modules_are_refused(copy_of, at, value, message):
    folder = copy_of("i-resnext")
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(put(metrics, at, value)))
    refused(folder, message)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["i-resnext", "levels"])
def test_whatever_is_wrong_with_one_value_is_said_or_does_not_matter(copy_of, name):
    folder = copy_of(name)
    metrics = json.loads((folder / "metrics.json").read_text())
    said = []
    for at in paths(metrics):
        for value in (None, -1, []):
            (folder / "metrics.json").write_text(json.dumps(put(metrics, at, value)))
            try:
                load_run(folder)
            except RunFolderError as error:
                said.append(str(error))
    assert len(said) > 50
    assert all(str(folder) in message for message in said)


def test_no_weights(copy_of):
    folder = copy_of("i-resnext")
    (folder / "model.safetensors").unlink()
    refused(folder, r"model\.safetensors is missing")


def test_weights_of_another_training(copy_of, write_run, tmp_path):
    folder = copy_of("i-resnext")
    other = write_run("is-resnext", tmp_path / "other")
    shutil.copy(other / "model.safetensors", folder)
    refused(folder, r"is damaged or of another training: its SHA-256 is not that in metrics\.json")


def test_a_foreign_safetensors_file(copy_of):
    folder = copy_of("i-resnext")
    save_file({"weight": torch.zeros(3)}, folder / "model.safetensors")
    change(folder, weights_sha256=sha256(folder / "model.safetensors"))
    refused(folder, "does not hold the network's weights")
