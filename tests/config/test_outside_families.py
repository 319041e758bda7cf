"""A family outside the package: found by its module, checked when a scale is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROW = """
from pydantic.dataclasses import dataclass
from anyslice.config.checked_yaml import Positive
from anyslice.config.families import Family, NetworkParams

@dataclass(frozen=True)
class Params(NetworkParams):
    depth: Positive

FAMILIES = {"mine": Family(Params, "NAME_net:Net", "Mine", "red", "o")}
"""
NETWORK = """
from torch import nn
from NAME_part import width
from anyslice.networks.fixed import FixedBudgetNetwork

class Net(FixedBudgetNetwork):
    def __init__(self, params, task):
        super().__init__(task)
        self.fc = nn.Linear(task.image_channels, task.classes)

    def logits(self, images):
        return self.fc(images.mean((2, 3)))
"""


@pytest.fixture
def outside(tmp_path, root):
    """Runs code where a family of one's own lies, its files changed as told."""

    (tmp_path / "params").symlink_to(root / "params")

    def run(code: str, **changes: tuple[str, str]) -> subprocess.CompletedProcess:
        files = {"rows": ROW, "net": NETWORK, "part": "width = 1\n"}
        for name, text in files.items():
            old, new = changes.get(name, ("", ""))
            assert old in text
            (tmp_path / f"my_{name}.py").write_text(text.replace(old, new).replace("NAME", "my"))
        (tmp_path / "scale.yaml").write_text(
            "extends: quick\ndatasets: {fashion-mnist-quick: {runs: {mine: "
            '{network: {name: "my_rows:mine", depth: 3}}}}}\n'
        )
        head = "import sys; sys.path[0] = ''\nfrom anyslice.config.scale import load_scale\n"
        return subprocess.run(
            [sys.executable, "-c", head + code],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


LOAD = "network = load_scale('scale.yaml').run('fashion-mnist-quick/mine').network\n"


def test_it_is_read_without_torch(outside):
    done = outside(LOAD + "print(network.file, network.depth, 'torch' in sys.modules)")
    assert done.stdout == "my_net 3 False\n"


def test_its_code_is_what_it_imports_from_beside_it(outside):
    code = LOAD + "from anyslice.jobs.identity import code_of\nprint(*code_of([network.file]))"
    assert outside(code).stdout.split() == [
        "my_net",
        "my_part",
        *("networks/base.py", "networks/fixed.py"),
    ]


def test_relative_imports_of_a_package_are_its_code(outside, tmp_path: Path):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("from .net import Net\n")
    (package / "net.py").write_text("import torch\nfrom . import part\nfrom my_part import width\n")
    (package / "part.py").write_text("")
    code = "from anyslice.jobs.identity import code_of\nprint(*code_of(['mine']))"
    assert outside(code).stdout.split() == ["mine", "mine.net", "mine.part", "my_part"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"rows": ('"red", ', "")}, "missing 1 required positional argument"),
        ({"rows": ('"red"', '"reddish"')}, "colour: 'reddish' is no colour"),
        ({"rows": ('"o"', '"oo"')}, "marker: 'oo' is no marker"),
        ({"rows": ('"Mine"', '"ResNet"')}, "label: 'ResNet' is empty or another family's"),
        ({"rows": ("@dataclass(frozen=True)", "")}, "is not a @dataclass(frozen=True)"),
        ({"rows": ("(NetworkParams)", "")}, "of NetworkParams"),
        ({"rows": ('"mine"', '"other"')}, "no family 'mine'; it has other"),
        ({"rows": ("FAMILIES =", "FAMILY =")}, "no table FAMILIES"),
        ({"rows": ("depth", "width")}, "mine.network.depth': unknown; choose from name, width"),
    ],
)
def test_a_mistake_in_its_row_is_reported_when_a_scale_is_loaded(outside, changes, expected):
    done = outside(LOAD, **changes)
    assert done.returncode == 1
    assert "scale.yaml: key 'datasets.fashion-mnist-quick.runs.mine.network" in done.stdout
    assert expected in done.stdout


BUILD = """
from anyslice.networks import build
build('my_rows:mine', depth=3, classes=10, image_size=16)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("_net:Net", "_net:Nett"), "'my_net:Nett' cannot be imported: AttributeError"),
        (("depth: Positive\n", "depth: Positive\n    subnetworks = 4\n"), "its row says 4"),
    ],
)
def test_a_mistake_in_its_network_is_reported_when_it_is_built(outside, change, expected):
    assert outside(BUILD).returncode == 0
    done = outside(BUILD, rows=change)
    assert done.returncode == 1
    assert expected in done.stdout
