"""What README, docs/prediction.md and the tutorial say of prediction runs as written."""

import json
import re
import shlex

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from anyslice.cli.main import main


@pytest.fixture
def folder(root, tmp_path, sources, monkeypatch):
    """A folder that has the released models and a photo."""
    (tmp_path / "models").symlink_to(root / "models")
    Image.fromarray(sources[0]).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(root, page, language):
    """Blocks of a language; of the README, those of its section on prediction."""
    text = (root / page).read_text().partition("## Predict under a budget")
    text = (text[2] or text[0]).partition("## The pipeline")[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


PAGES = pytest.mark.parametrize("page", ["README.md", "docs/prediction.md"])


@PAGES
@pytest.mark.slow
def test_the_commands_run(root, folder, page):
    commands = [line for block in blocks(root, page, "") for line in block.splitlines()]
    assert len(commands) >= 2
    for command in commands:
        if " RUN " in command:  # other tests export
            continue
        program, *arguments = shlex.split(command)
        assert program == "anyslice"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}"


@PAGES
@pytest.mark.slow
def test_the_python_runs(root, folder, page):
    found = blocks(root, page, "python")
    assert found
    for code in found:
        exec(compile(code, page, "exec"), {"images": torch.zeros(1, 3, 32, 32)})


@pytest.mark.slow
def test_the_tutorial_runs(root, folder, monkeypatch):
    """Jupyter starts a notebook in the notebook's own folder."""
    for name in ("params", "data", "results"):
        (folder / name).symlink_to(root / name)
    (folder / "docs").mkdir()
    monkeypatch.chdir(folder / "docs")
    cells = json.loads((root / "docs/tutorial.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 5
    namespace: dict[str, object] = {}
    for number, source in enumerate(code, start=1):
        exec(compile(source, f"cell {number}", "exec"), namespace)
