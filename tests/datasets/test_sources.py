"""Finding, downloading and verifying source files."""

import gzip
import hashlib
from dataclasses import replace

import pytest
from made import EMBEDDED, describe

from anyslice.config.dataset import Source
from anyslice.datasets import DataError
from anyslice.datasets.download import download
from anyslice.datasets.sources import fetch, verify

CONTENT = bytes(range(256)) * 4096
"""1 MiB."""

SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.mark.parametrize("checksum", [SHA256, MD5])
def test_a_download_is_verified_and_leaves_nothing_else(server, tmp_path, checksum):
    address, handler = server
    handler.content = CONTENT
    download(address, tmp_path / "file.bin", (checksum,))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} <= {"file.bin", "file.bin.lock"}


def test_a_truncated_download_is_reported_and_resumed(server, tmp_path):
    address, handler = server
    handler.content, handler.break_after = CONTENT, 300_000
    with pytest.raises(DataError, match=f"{address} could not be .* bytes have arrived"):
        download(address, tmp_path / "file.bin", (SHA256,))
    assert not (tmp_path / "file.bin").exists()
    arrived = (tmp_path / "file.bin.part").stat().st_size
    assert 200_000 < arrived <= 300_000
    handler.break_after = None
    download(address, tmp_path / "file.bin", (SHA256,))
    assert handler.requests[-1] == f"bytes={arrived}-"
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    address, handler = server
    handler.content, handler.ranges = CONTENT, False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    download(address, tmp_path / "file.bin", (SHA256,))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_download_killed_at_its_end_is_only_verified(server, tmp_path):
    address, handler = server
    handler.content = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    download(address, tmp_path / "file.bin", (SHA256,))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_packed_file_stays_as_it_was_sent(server, tmp_path):
    """A server that labels .gz files as compressed for the transfer."""
    address, handler = server
    handler.content = gzip.compress(CONTENT)
    handler.headers_sent = {"Content-Encoding": "gzip"}
    checksum = f"sha256:{hashlib.sha256(handler.content).hexdigest()}"
    download(address, tmp_path / "file.gz", (checksum,))
    assert (tmp_path / "file.gz").read_bytes() == handler.content


def test_a_wrong_download_is_deleted(server, tmp_path):
    address, handler = server
    handler.content = CONTENT[::-1]
    with pytest.raises(DataError, match=f"{address} is not what it should be.*{SHA256}"):
        download(address, tmp_path / "file.bin", (SHA256,))
    assert not list(tmp_path.glob("file.bin*[!k]"))


def test_a_missing_file_on_the_server_is_an_error(server, tmp_path):
    address, handler = server
    handler.do_GET = lambda self: self.send_error(404)
    with pytest.raises(DataError, match="404"):
        download(address, tmp_path / "file.bin", (SHA256,))
    assert not (tmp_path / "file.bin").exists()


def test_what_is_found_nowhere_is_downloaded(server, tmp_path):
    address, handler = server
    handler.content = (EMBEDDED / "t10k-labels-idx1-ubyte.gz").read_bytes()
    name = "t10k-labels-idx1-ubyte.gz"
    description = describe("fashion-mnist-quick")
    description = replace(
        description,
        files={name: description.files[name]},
        sources=(Source(folder=str(tmp_path / "none")), Source(address=address)),
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
