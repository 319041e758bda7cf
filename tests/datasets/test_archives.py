"""Archives that would write outside of their folder, or are damaged."""

import tarfile

import pytest
from made import add

from anyslice.datasets import DataError
from anyslice.datasets.formats.archives import open_tar, read_member, unpack


def link(tar, name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    tar.addfile(member)


HOSTILE = {
    "parent": lambda tar: add(tar, "../evil", b"evil"),
    "deep parent": lambda tar: add(tar, "a/../../evil", b"evil"),
    "symbolic link": lambda tar: link(tar, "a", "../../evil", tarfile.SYMTYPE),
    "absolute link": lambda tar: link(tar, "a", "/etc/passwd", tarfile.SYMTYPE),
    "hard link": lambda tar: link(tar, "a", "../evil", tarfile.LNKTYPE),
    "device": lambda tar: link(tar, "a", "", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_leads_out_of_the_folder_is_refused(tmp_path, kind):
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        HOSTILE[kind](tar)
    inside = tmp_path / "some" / "inside"
    with pytest.raises(DataError, match=f"{archive}: refused to unpack"), open_tar(archive) as tar:
        unpack(tar, inside)
    assert not list(tmp_path.rglob("evil"))


def test_an_absolute_path_lands_inside(tmp_path):
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        add(tar, "/anyslice-test/good", b"good")
    with open_tar(archive) as tar:
        unpack(tar, tmp_path / "inside")
    assert (tmp_path / "inside/anyslice-test/good").read_bytes() == b"good"


@pytest.mark.parametrize("keep", [0, 10, 3000])
def test_a_damaged_archive_is_named(tmp_path, keep):
    archive = tmp_path / "archive.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        add(tar, "good", bytes(9000))
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"{archive} is damaged"), open_tar(archive) as tar:
        unpack(tar, tmp_path / "inside")


def test_a_missing_member_is_named(tmp_path):
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        add(tar, "good", b"good")
    with pytest.raises(DataError, match="has no file bad"), open_tar(archive) as tar:
        read_member(tar, "bad", archive)
