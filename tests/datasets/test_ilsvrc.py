"""ImageNet in its true format: tar files of tar files, and a development kit."""

import shutil

import pytest
from made import WNIDS, make, write_ilsvrc
from torchvision.datasets import imagenet

from anyslice.datasets import DataError, open_dataset
from anyslice.datasets.manifest import read_index
from anyslice.datasets.prepare import prepare
from anyslice.datasets.scan import verify_images
from anyslice.datasets.sources import fetch


@pytest.fixture(autouse=True)
def made_archives(monkeypatch):
    """Torchvision knows the checksums of the true ones only."""
    monkeypatch.setattr(imagenet, "check_integrity", lambda path, md5=None: True)


def test_tar_files_become_class_folders(tmp_path):
    output = make(write_ilsvrc(tmp_path), tmp_path, tmp_path / "out")
    listed = read_index(output / "index.csv")
    assert [file.path for file in listed if file.part == "train"] == [
        f"train/{wnid}/{wnid}_{number}.JPEG" for wnid in WNIDS for number in range(4)
    ]
    assert sorted(path.name for path in (output / "images/train").iterdir()) == list(WNIDS)
    assert not list(output.glob(".*"))


def test_validation_images_get_the_class_that_the_development_kit_says(tmp_path):
    output = make(write_ilsvrc(tmp_path, truth=(3, 1, 2, 2, 1, 3)), tmp_path, tmp_path / "out")
    label = {f.path[-6:-5]: f.label for f in read_index(output / "index.csv") if f.part == "test"}
    # ILSVRC's number 3 is tench (label 0), 1 goldfish (1) and 2 tabby (2).
    assert label == {"1": 0, "2": 1, "3": 2, "4": 2, "5": 1, "6": 0}


def test_every_kind_of_jpeg_is_decoded(tmp_path):
    dataset = open_dataset(make(write_ilsvrc(tmp_path), tmp_path, tmp_path / "out"))
    batch = next(iter(dataset.eval_batches("train", batch_size=9, device="cpu")))
    assert batch.images.shape == (9, 3, 16, 16)


@pytest.fixture
def unpacked(tmp_path):
    """The description, and a folder of the user with train/ and val/."""
    description = write_ilsvrc(tmp_path)
    return description, make(description, tmp_path, tmp_path / "out") / "images"


def prepare_unpacked(description, folder, output):
    prepare(description, fetch(description, source=folder), output)
    return output


def test_unpacked_folders_of_the_user_are_read_where_they_are(unpacked, tmp_path):
    description, folder = unpacked
    output = prepare_unpacked(description, folder, tmp_path / "again")
    assert sorted(path.name for path in output.iterdir()) == [
        "index.csv",
        "location.json",
        "manifest.json",
        "split.json",
    ]
    assert (output / "index.csv").read_text() == (folder.parent / "index.csv").read_text()
    dataset = open_dataset(output)
    assert len(next(iter(dataset.eval_batches("test", batch_size=6, device="cpu"))).labels) == 6


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: (f / "train/n01443537").rename(f / "train/n99999999"),
            "missing: n01443537; too many: n99999999",
        ),
        (
            lambda f: (f / "val").rename(f / "test"),
            "or class folders in train/ and val/",
        ),
        (
            lambda f: [p.unlink() for p in (f / "val/n01443537").iterdir()],
            "n01443537 has no images",
        ),
        (
            lambda f: (f / "train/n01443537/n01443537_1.JPEG").unlink(),
            "has 11 images for train and 6",
        ),
        (
            lambda f: (f / "train/n01443537/n01443537_1.JPEG").write_bytes(b"no image"),
            "train/n01443537/n01443537_1.JPEG is not an image",
        ),
    ],
)
def test_what_is_wrong_with_unpacked_folders_is_named(unpacked, tmp_path, spoil, message):
    description, folder = unpacked
    spoil(folder)
    with pytest.raises(DataError, match=message):
        prepare_unpacked(description, folder, tmp_path / "again")
    assert not list(tmp_path.glob("again/*"))


def test_a_source_that_has_become_wrong_leaves_the_old_data_set(unpacked, tmp_path):
    description, folder = unpacked
    output = prepare_unpacked(description, folder, tmp_path / "again")
    before = {path: path.read_bytes() for path in output.iterdir()}
    (folder / "val/n01443537/ILSVRC2012_val_00000002.JPEG").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"val_00000002\.JPEG is not an image"):
        prepare_unpacked(description, folder, output)
    assert {path: path.read_bytes() for path in output.iterdir()} == before


def test_parts_that_are_links_are_read_where_they_lead(unpacked, tmp_path):
    """Beside the first link's target lies another val/."""
    description, folder = unpacked
    wrong = tmp_path / "v1"
    shutil.copytree(folder, wrong)
    shutil.rmtree(wrong / "val/n01440764")
    (tmp_path / "v2").mkdir()
    shutil.copytree(folder / "val", tmp_path / "v2/val")
    links = tmp_path / "links"
    links.mkdir()
    (links / "train").symlink_to(tmp_path / "v1/train")
    (links / "val").symlink_to(tmp_path / "v2/val")
    output = prepare_unpacked(description, links, tmp_path / "again")
    assert (output / "index.csv").read_text() == (folder.parent / "index.csv").read_text()
    assert verify_images(output) == 18


def test_a_folder_that_moves_leaves_the_same_manifest(unpacked, tmp_path):
    """It is part of every training's identity; so is unpacking the tar files."""
    description, folder = unpacked
    output = prepare_unpacked(description, folder, tmp_path / "again")
    manifest = (output / "manifest.json").read_bytes()
    assert manifest == (folder.parent / "manifest.json").read_bytes()
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="if they have moved, run `anyslice data prepare again"):
        next(open_dataset(output).eval_batches("test", batch_size=2, device="cpu"))
    prepare_unpacked(description, moved, output)
    assert (output / "manifest.json").read_bytes() == manifest
    next(open_dataset(output).eval_batches("test", batch_size=2, device="cpu"))
