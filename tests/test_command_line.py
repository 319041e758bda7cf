"""The command line answers quickly and says what is wrong without a traceback."""

import os
import re
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from anyslice.cli.main import FOR_RULES, Verbs, main
from anyslice.config.checked_yaml import ParameterError
from anyslice.errors import AnysliceError


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


def test_the_help_lists_each_verb_but_those_that_only_rules_call():
    text = CliRunner().invoke(main, ["--help"]).output.partition("Data:")[2]
    listed = re.findall(r"^  ([a-z-]+)  +\S", text, re.MULTILINE)
    assert listed == main.list_commands(click.Context(main))
    assert not set(FOR_RULES) & set(listed)
    assert "..." not in text


def test_every_verb_can_be_imported():
    context = click.Context(main)
    for name in (*main.list_commands(context), *FOR_RULES):
        assert main.get_command(context, name).name == name


def run_verb_that_raises(error):
    @click.command()
    def verb() -> None:
        raise error

    return CliRunner().invoke(Verbs(commands={"verb": verb}), ["verb"])


@pytest.mark.parametrize("error", [ValueError("two lengths"), KeyError("x"), ZeroDivisionError()])
def test_a_fault_of_the_package_keeps_its_traceback(error):
    assert run_verb_that_raises(error).exception is error


@pytest.mark.parametrize("error", [AnysliceError("what to do"), ParameterError("a"), OSError("b")])
def test_what_a_person_can_put_right_is_one_line(error):
    result = run_verb_that_raises(error)
    assert result.exit_code == 1
    assert result.output == f"Error: {error}\n"


def test_the_packages_exceptions_have_one_base(root):
    """But one that never leaves its folder: a claim that cannot be measured is a verdict."""
    classes = r"^class (\w+Error)\((Exception|\w+Error)\)"
    sources = [path.read_text() for path in (root / "src/anyslice").rglob("*.py")]
    base = dict(pair for text in sources for pair in re.findall(classes, text, re.MULTILINE))
    own = {name for name in base if base[name] not in base}
    assert own == {"AnysliceError", "NotMeasurableError"}


def test_make_hands_all_arguments_to_snakemake(tmp_path, monkeypatch):
    """`--` too: without it an option with several values would take the targets as well."""
    snakemake = tmp_path / "bin/snakemake"
    snakemake.parent.mkdir()
    snakemake.write_text('#!/bin/sh\necho "$@"\n')
    snakemake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{snakemake.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("ANYSLICE_PROFILE", "profiles/gpu")
    arguments = ["-n", "--prioritize", "b", "--", "a", "--", "b"]
    said = subprocess.run(
        [sys.executable, "-m", "anyslice", "make", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["--workflow-profile", "profiles/gpu", *arguments]
