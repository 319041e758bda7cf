"""The format of MNIST."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from made import describe

from anyslice.datasets import DataError
from anyslice.datasets.formats.idx import encode_idx, read_idx, read_parts


@given(arrays(np.uint8, array_shapes(max_dims=4, max_side=6), elements=st.integers(0, 255)))
def test_what_is_written_is_read_again(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "array.gz"
    path.write_bytes(encode_idx(array))
    np.testing.assert_array_equal(read_idx(path), array)


GOOD = encode_idx(np.zeros((3, 28, 28), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-12], "damaged"),
        (b"not gzip", "damaged or no gzipped IDX file"),
        (gzip.compress(b"\0\0\x0d\1\0\0\0\1\0\0\0\0"), "its numbers are not unsigned bytes"),
        (gzip.compress(b"\0\0\x08\3\0\0"), "damaged or no gzipped IDX"),
        (gzip.compress(gzip.decompress(GOOD)[:-1]), "cannot reshape array of size 2351"),
    ],
    ids=["truncated", "no gzip", "floats", "half a header", "a byte too few"],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}.*{message}"):
        read_idx(path)


def test_there_is_a_label_for_each_image(tmp_path):
    description = describe("fashion-mnist-quick")
    files = {name: tmp_path / name for name in description.files}
    for name, path in files.items():
        path.write_bytes(GOOD if "images" in name else encode_idx(np.array([0, 1], np.uint8)))
    with pytest.raises(DataError, match="right would be"):
        read_parts(description, files)
