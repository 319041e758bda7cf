"""The part of Fashion-MNIST in the repository."""

import subprocess
import sys

import numpy as np
import pytest
from made import EMBEDDED, ROOT

from anyslice.datasets.formats.idx import encode_idx, read_idx
from anyslice.files import sha256


def test_it_is_small_complete_and_licensed():
    assert sum(path.stat().st_size for path in EMBEDDED.iterdir()) <= 6e6
    assert "Permission is hereby granted" in (EMBEDDED / "LICENSE").read_text()
    listed = [line.split() for line in (EMBEDDED / "SHA256SUMS").read_text().splitlines()]
    assert len(listed) == 5
    for digest, name in listed:
        assert sha256(EMBEDDED / name) == digest


@pytest.mark.parametrize(("part", "per_class"), [("train", 1000), ("t10k", 200)])
def test_every_class_has_as_many_images(part, per_class):
    images = read_idx(EMBEDDED / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(EMBEDDED / f"{part}-labels-idx1-ubyte.gz")
    assert images.shape == (10 * per_class, 28, 28)
    assert np.bincount(labels).tolist() == [per_class] * 10


@pytest.mark.slow
def test_embedding_takes_the_first_of_each_class_and_gives_the_same_bytes_again(tmp_path):
    labels = np.tile(np.arange(10, dtype=np.uint8)[::-1], 1100)
    images = np.arange(len(labels) * 4, dtype=np.uint8).reshape(-1, 2, 2)
    source = tmp_path / "source"
    source.mkdir()
    for part in ("train", "t10k"):
        (source / f"{part}-images-idx3-ubyte.gz").write_bytes(encode_idx(images))
        (source / f"{part}-labels-idx1-ubyte.gz").write_bytes(encode_idx(labels))
    for name in ("once", "again"):
        script = [sys.executable, ROOT / "scripts/embed_fashion_mnist.py", source, tmp_path / name]
        subprocess.run([*script, "--licence", EMBEDDED / "LICENSE"], check=True)
    kept = read_idx(tmp_path / "once/train-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(kept, images[:10_000])
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("once", "again")]
    assert sums[0] == sums[1]
