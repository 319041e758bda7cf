"""An edit that changes no byte outdates nothing, once that was shown; any other is named."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from anyslice.config.scale import load_scale
from anyslice.jobs.identity import digest, origin_of, record_equal

RUNS = ("i-resnext", "is-resnext", "resnext-11")
"""Of the tiny scale; with a ResNet they are four families."""


@pytest.fixture
def checkout(root, tmp_path) -> Path:
    """A repository with the code, a scale and one finished training."""
    for name in ("src", "params"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(root / name, tmp_path / name, ignore=ignored)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/embedded").symlink_to(root / "data/embedded")
    (tmp_path / "params/four.yaml").write_text(yaml.dump(four(root), sort_keys=False))
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "src", "params")
    author = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    git(tmp_path, *author, "commit", "--quiet", "--message", "before")
    anyslice(tmp_path, "data", "prepare", "fashion-mnist-quick")
    anyslice(tmp_path, "train", "fashion-mnist-quick/resnet-8", "--scale", "four")
    return tmp_path


def four(root):
    scale = yaml.safe_load((root / "tests/scales/tiny.yaml").read_text())
    runs = scale["datasets"]["fashion-mnist-quick"]["runs"]
    runs = {name: runs[name] for name in RUNS}
    runs["resnet-8"] = {"network": {"name": "resnet", "depth": 8, "width": 4}}
    return scale | {"datasets": {"fashion-mnist-quick": {"runs": runs}}, "figures": {}}


def git(folder, *words):
    subprocess.run(["git", *words], cwd=folder, check=True)


def anyslice(folder, *words, status=0):
    """What a command prints."""
    command = [sys.executable, "-m", "anyslice", *words]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout


def edit(folder, module, old, new):
    path = folder / "src/anyslice" / module
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def state(folder):
    shown = json.loads(anyslice(folder, "status", "--scale", "four", "--json"))
    (row,) = [row for row in shown["trainings"] if row["run"].endswith("/resnet-8")]
    return row["state"]


def replay(folder, status=0):
    return anyslice(folder, "verify", "--scale", "four", "--replay", "HEAD", status=status)


@pytest.mark.system
def test_an_edit_is_proved_equal_and_outdates_nothing_or_named_where_it_differs(checkout):
    resnet = checkout / "src/anyslice/networks/resnet.py"
    text = resnet.read_text()
    edit(checkout, "networks/resnet.py", "F.relu", "F.leaky_relu")
    assert replay(checkout, status=1).splitlines() == [
        "fashion-mnist-quick/resnet-8 differs first at step 1, in network.conv.weight",
        "3 runs import the same code as at HEAD, 0 train to the same bytes, 1 do not",
    ]
    assert state(checkout) == "outdated"
    resnet.write_text(text)
    assert state(checkout) == "done"

    for module in ("base.py", "fixed.py", "heads.py", "resnet.py"):
        path = checkout / "src/anyslice/networks" / module
        path.write_text(path.read_text().replace("global_average", "mean_over_pixels"))
    assert state(checkout) == "outdated"
    assert "4 train to the same bytes, 0 do not" in replay(checkout)
    assert state(checkout) == "done"
    again = anyslice(checkout, "train", "fashion-mnist-quick/resnet-8", "--scale", "four")
    assert "is finished already" in again


def test_code_that_equals_code_that_equals_a_trainings_is_equal_to_it(monkeypatch, tmp_path):
    run = load_scale("quick").run("fashion-mnist-quick/resnet-8")
    monkeypatch.chdir(tmp_path)
    first, second, third = ({"networks/resnet.py": sha} for sha in ("a", "b", "c"))
    for code, earlier in ((second, first), (third, second)):
        record_equal({"one": (run, code, earlier)}, evidence={})
    other = replace(run, hierarchy=True)
    assert origin_of(third, asdict(run)) == origin_of(second, asdict(run)) == digest(first)
    assert origin_of(third, asdict(other)) == digest(third)


def test_a_commit_that_is_not_there_is_one_message(root, monkeypatch, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "anyslice", "verify", "--replay", "no-such-commit"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "cannot check out 'no-such-commit'" in ran.stderr
