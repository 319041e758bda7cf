"""The command line answers quickly and says what is wrong without a traceback."""

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from anyslice.cli.main import main


def test_help_does_not_import_torch():
    code = "import sys; from anyslice.cli.main import main; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.perf
def test_help_is_quick():
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "anyslice", "--help"], check=True, capture_output=True)
    assert time.monotonic() - start < 2  # 0.5 s alone; the tests share the machine


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "a/b", "--scale", "nope", "--seed", "1", "--output", "x"], "choose from"),
        (["train", "a/b", "--seed", "1", "--output", "x"], "there is no run 'a/b'"),
        (["figure", "fig9"], "there is no figure 'fig9'"),
        (["flops", "a/b"], "there is no run 'a/b'"),
    ],
)
def test_errors_are_one_message(root, monkeypatch, arguments, expected):
    monkeypatch.chdir(root)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert expected in result.output
