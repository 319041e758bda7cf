"""The page of docs/demo in a real browser gives the logits of Python's runtime."""

import functools
import json
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from anyslice.runtime import AnytimePredictor
from anyslice.runtime.images import to_input

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NEEDS = [
    name for name, found in (("Chromium", CHROMIUM), ("npm", shutil.which("npm"))) if not found
]


class Server(SimpleHTTPRequestHandler):
    """Serves the page, and keeps what it posts."""

    def do_POST(self):
        self.server.report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.reported.set()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page(root, tmp_path_factory):
    """The page's folder."""
    folder = tmp_path_factory.mktemp("page")
    made = [sys.executable, root / "scripts/demo_page.py", folder]
    done = subprocess.run(made, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def report(page, tmp_path_factory):
    """What the page posts: logits of the first picture, and the answers on the screen."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=page))
    server.reported = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    profile = tmp_path_factory.mktemp("profile")
    address = f"http://127.0.0.1:{server.server_port}/?report=/report"
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    browser = subprocess.Popen([*command, address], stderr=subprocess.DEVNULL)
    try:
        assert server.reported.wait(240)
        return server.report
    finally:
        browser.kill()
        browser.wait()
        server.shutdown()


@pytest.mark.system
@pytest.mark.skipif(bool(NEEDS), reason=f"it needs {' and '.join(NEEDS)} in the PATH")
def test_every_step_has_the_logits_of_pythons_runtime(page, report):
    assert len(report["logits"]) == 3
    for folder, logits in report["logits"].items():
        predictor = AnytimePredictor(page / folder)
        inputs = to_input(Image.open(page / "pictures/0.png"), predictor.model.images)
        expected = [predictor.logits(k, inputs)[0][0] for k in range(1, predictor.K + 1)]
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


@pytest.mark.system
@pytest.mark.skipif(bool(NEEDS), reason=f"it needs {' and '.join(NEEDS)} in the PATH")
def test_the_whole_budget_shows_an_answer_of_every_sub_network(report):
    assert len(report["answers"]) == 4
    assert all("right in" in answer for answer in report["answers"])
