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
        (b"not gzip", "damaged or no gzip file"),
        (gzip.compress(b"\0\0\x0d\1\0\0\0\1\0\0\0\0"), "not an IDX file of unsigned bytes"),
        (gzip.compress(b"\0\0\x08\3\0\0"), "ends inside its header"),
        (gzip.compress(gzip.decompress(GOOD)[:-1]), "promises 2352 bytes .* but holds 2351"),
    ],
    ids=["truncated", "no gzip", "floats", "half a header", "a byte too few"],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}.*{message}"):
        read_idx(path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1], np.uint8), "right would be"),
        (np.array([0, 10, 1], np.uint8), "image 1 has the label 10, which is not one of 0 to 9"),
    ],
)
def test_labels_must_fit_the_images_and_the_classes(tmp_path, labels, message):
    description = describe("fashion-mnist-quick")
    files = {name: tmp_path / name for name in description.files}
    for name, path in files.items():
        path.write_bytes(GOOD if "images" in name else encode_idx(labels))
    with pytest.raises(DataError, match=message):
        read_parts(description, files)
