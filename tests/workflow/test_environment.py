"""The environment belongs to one checkout: a copied or moved one makes its own."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def checkout(root, tmp_path):
    """A folder with the files that an environment is made from."""
    folder = tmp_path / "a folder's ünï/any slice"
    folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(root / name, folder)
    return folder


def make(folder, target):
    command = ["make", "--dry-run", "--no-print-directory", target]
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    return ran.stdout


def install(folder):
    """Pretend that the environment was made here."""
    stamp = next(word for word in make(folder, "install").split() if "/installed-" in word)
    (folder / stamp).parent.mkdir()
    (folder / stamp).touch()


def test_an_environment_is_made_once(checkout):
    install(checkout)
    assert "venv" not in make(checkout, "quicktest")


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_that_of_another_folder_is_removed_and_made_anew(checkout, tmp_path, move):
    install(checkout)
    move(checkout, tmp_path / "other")
    first, then, *_ = [line for line in make(tmp_path / "other", "install").splitlines() if line]
    assert first.endswith("|| rm -rf .venv")
    assert then.endswith("-m venv .venv")
    if checkout.exists():
        assert "venv" not in make(checkout, "quicktest")
