"""Finding, downloading and verifying source files."""

import gzip
import hashlib
from dataclasses import replace

import pytest
from made import EMBEDDED, describe

from anyslice.config.dataset import Source
from anyslice.datasets import DataError
from anyslice.datasets.sources import download, fetch, verify

CONTENT = bytes(range(256)) * 4096
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def address(tmp_path):
    """Of a file on this machine."""
    path = tmp_path / "there/file.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path.as_uri()


@pytest.mark.parametrize("checksum", [SHA256, MD5])
def test_a_download_is_verified_and_leaves_nothing_else(address, tmp_path, checksum):
    download(address, tmp_path / "here/file.bin", (checksum,))
    assert (tmp_path / "here/file.bin").read_bytes() == CONTENT
    assert len(list((tmp_path / "here").iterdir())) == 1


def test_a_wrong_download_is_deleted(address, tmp_path):
    with pytest.raises(DataError, match=f"{address} is not what it should be.* would be md5:"):
        download(address, tmp_path / "here/file.bin", ("md5:" + MD5[4:][::-1],))
    assert not list((tmp_path / "here").iterdir())


def test_a_missing_file_is_an_error(address, tmp_path):
    with pytest.raises(DataError, match=f"{address}2 could not be downloaded"):
        download(f"{address}2", tmp_path / "here/file.bin", (SHA256,))
    assert not list((tmp_path / "here").iterdir())


def test_what_is_found_nowhere_is_downloaded(tmp_path):
    name = "t10k-labels-idx1-ubyte.gz"
    description = describe("fashion-mnist-quick")
    description = replace(
        description,
        files={name: description.files[name]},
        sources=(
            Source(folder=str(tmp_path / "none")),
            Source(address=f"{EMBEDDED.as_uri()}/{{file}}"),
        ),
    )
    assert fetch(description, downloads=tmp_path) == {name: tmp_path / name}
    verify(description, {name: tmp_path / name})


def test_a_folder_of_the_user_comes_first_and_alone(tmp_path):
    description = describe("fashion-mnist-quick")
    for path in EMBEDDED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert set(fetch(description, source=tmp_path).values()) == {
        tmp_path / name for name in description.files
    }
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"Missing:\n  t10k-images-idx3-ubyte.gz\nLooked in:"):
        fetch(description, source=tmp_path)


def test_missing_data_is_named_file_by_file_with_where_to_get_it_and_where_to_put_it(tmp_path):
    with pytest.raises(DataError) as caught:
        fetch(describe("imagenet"), downloads=tmp_path)
    for part in (
        "ILSVRC2012_img_train.tar\n",
        "ILSVRC2012_img_val.tar\n",
        "ILSVRC2012_devkit_t12.tar.gz\n",
        "https://image-net.org",
        "non-commercial",
        "data/sources/imagenet",
        "quick scale",
    ):
        assert part in str(caught.value)


def test_a_wrong_checksum_names_file_and_checksums(tmp_path):
    description = describe("fashion-mnist-quick")
    name = "t10k-labels-idx1-ubyte.gz"
    (tmp_path / name).write_bytes(gzip.compress(b"other"))
    with pytest.raises(DataError, match=f"{tmp_path / name} is damaged.*sha256:.*right would be"):
        verify(description, {name: tmp_path / name})
