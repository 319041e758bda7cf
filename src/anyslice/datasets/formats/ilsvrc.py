"""ImageNet (ILSVRC 2012): tar files of JPEGs and a development kit, or their unpacked folders.

Format: the readme.txt of the development kit. ILSVRC's validation images are the test images here
(Appendix A).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import scipy.io
from tqdm import tqdm

from anyslice.config.dataset import Description
from anyslice.datasets.errors import DataError
from anyslice.datasets.formats.archives import open_tar, read_member, unpack

TRAIN = "ILSVRC2012_img_train.tar"
VAL = "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"


class DevelopmentKit(NamedTuple):
    """What the development kit tells about the images.

    Attributes:
        wnids: WordNet id of each class that has images, in the order of ILSVRC's own numbers,
            which count from 1.
        truth: number of the class of each validation image.
    """

    wnids: tuple[str, ...]
    truth: tuple[int, ...]


def read_devkit(path: Path) -> DevelopmentKit:
    """The classes and the labels of the validation images.

    Raises:
        DataError: if the archive is damaged, lacks a file, or a label is out of range.
    """
    folder = "ILSVRC2012_devkit_t12/data"
    with open_tar(path) as tar:
        meta = read_member(tar, f"{folder}/meta.mat", path)
        truth = read_member(tar, f"{folder}/ILSVRC2012_validation_ground_truth.txt", path)
    synsets = scipy.io.loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
    leaves = sorted(
        (int(s["ILSVRC2012_ID"]), str(s["WNID"])) for s in synsets if not s["num_children"]
    )
    labels = tuple(int(line) for line in truth.split())
    for line, label in enumerate(labels, start=1):
        if not 1 <= label <= len(leaves):
            raise DataError(
                f"{path}, ILSVRC2012_validation_ground_truth.txt, line {line}: label {label} is "
                f"not one of 1 to {len(leaves)}"
            )
    return DevelopmentKit(tuple(wnid for _, wnid in leaves), labels)


def unpack_images(description: Description, files: Mapping[str, Path], root: Path) -> None:
    """Unpack the tar files to root/train/<wnid>/ and root/val/<wnid>/.

    Raises:
        DataError: if an archive is damaged, would write elsewhere, or names an unknown class.
    """
    devkit = read_devkit(files[DEVKIT])
    if set(devkit.wnids) != set(description.class_ids):
        unknown = sorted(set(devkit.wnids) ^ set(description.class_ids))
        raise DataError(f"{files[DEVKIT]} and {description.path} differ in the classes {unknown}")
    _unpack_train(files[TRAIN], root / "train", description.class_ids)
    _unpack_val(files[VAL], root / "val", devkit)


def _unpack_train(archive: Path, folder: Path, class_ids: Sequence[str]) -> None:
    """Unpack a tar file that holds a tar file for each class."""
    classes = {f"{wnid}.tar": wnid for wnid in class_ids}
    with open_tar(archive) as outer:
        for member in tqdm(outer, desc=archive.name, unit="class"):
            content = outer.extractfile(member)
            if content is None or member.name not in classes:
                raise DataError(f"{archive} holds {member.name!r} where a class's tar file belongs")
            with open_tar(archive / member.name, content) as inner:
                unpack(inner, folder / classes[member.name])


def _unpack_val(archive: Path, folder: Path, devkit: DevelopmentKit) -> None:
    """Unpack the validation images, numbered from 1, each to the folder of its class."""
    with open_tar(archive) as tar:
        for member in tqdm(tar, desc=archive.name, unit="image", total=len(devkit.truth)):
            number = _number(member, archive, len(devkit.truth))
            wnid = devkit.wnids[devkit.truth[number - 1] - 1]
            tar.extract(member, folder / wnid, filter="data")


def _number(member: tarfile.TarInfo, archive: Path, images: int) -> int:
    digits = member.name.removeprefix("ILSVRC2012_val_").removesuffix(".JPEG")
    if not digits.isdecimal() or not 1 <= int(digits) <= images:
        raise DataError(
            f"{archive} holds {member.name!r}; right would be ILSVRC2012_val_00000001.JPEG to "
            f"ILSVRC2012_val_{images:08}.JPEG"
        )
    return int(digits)
