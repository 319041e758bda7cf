"""Prepared data sets and a web server that several tests share."""

import http.server
import threading
from dataclasses import replace

import pytest
from made import EMBEDDED, RangeHandler, describe, make

from anyslice.config.dataset import Counts


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """fashion-mnist-quick, prepared."""
    output = tmp_path_factory.mktemp("quick") / "fashion-mnist-quick"
    return make(describe("fashion-mnist-quick"), EMBEDDED, output)


@pytest.fixture(scope="session")
def streamed(tmp_path_factory):
    """fashion-mnist-files, prepared from fewer images."""
    description = replace(describe("fashion-mnist-files"), counts=Counts(160, 40, 50))
    return make(description, EMBEDDED, tmp_path_factory.mktemp("files") / "fashion-mnist-files")


@pytest.fixture
def server():
    """An address, and the handler that answers there."""
    handler = type("Handler", (RangeHandler,), {"requests": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/file.bin", handler
        running.shutdown()
