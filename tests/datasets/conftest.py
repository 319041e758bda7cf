"""Prepared data sets that several tests share."""

from dataclasses import replace

import pytest
from made import EMBEDDED, describe, make

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
