"""A data set as its file params/datasets/<name>.yaml describes it, checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from anyslice.config.checked_yaml import (
    STRICT,
    Count,
    Positive,
    Problem,
    load_file,
    raise_problems,
)

FOLDER = Path("params/datasets")
"""Where the descriptions are, seen from the top of the repository."""

Deviation = Annotated[float, Field(gt=0)]
Storage = Literal["tensor", "files"]
Format = Literal["idx", "cifar-10", "cifar-100", "ilsvrc-2012", "cub-200-2011", "class-folders"]
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Checksum = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")]


@dataclass(frozen=True, config=STRICT)
class Source:
    """A place that has the files: a folder, a folder that a system package fills, or an address.

    Attributes:
        folder: where the files lie; relative to the top of the repository.
        package: the system package that puts them there.
        address: where a file can be downloaded; {file} stands for its name.
    """

    folder: str | None = None
    package: str | None = None
    address: str | None = None


@dataclass(frozen=True, config=STRICT)
class Counts:
    """Images of each part. Validation images are held out of the training images."""

    train: Positive
    validation: Positive
    test: Positive


@dataclass(frozen=True, config=STRICT)
class Content:
    """Checksums of what a data set holds, in whichever files and order; see `prepare.digest`.

    Attributes:
        train: of the training images, those for validation included.
        test: of the test images.
    """

    train: Sha256
    test: Sha256


@dataclass(frozen=True, config=STRICT)
class Folders:
    """Where the class folders of each part are, seen from the source folder.

    Attributes:
        train: of the training images; "." where class folders lie in the source folder itself.
        validation: of the validation images; without it they are sampled from the training images.
        test: of the test images; without it they are sampled from the training images as well.
    """

    train: str = "train"
    validation: str | None = None
    test: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(name for name in (self.train, self.validation, self.test) if name)


TRAIN_AND_TEST = Folders(test="test")
_FOLDERS = {
    "cifar-10": TRAIN_AND_TEST,
    "cifar-100": TRAIN_AND_TEST,
    "ilsvrc-2012": Folders(test="val"),
    "class-folders": TRAIN_AND_TEST,
}
"""For each format that can be had as class folders, where they are by default."""


@dataclass(frozen=True, config=STRICT)
class Description:
    """A data set as its file describes it, before it is prepared.

    Attributes:
        title: for people, and for figures.
        format: how the source files are written.
        sources: where to look for the files, in this order.
        counts: images of each part, after the validation images are held out.
        split_seed: draws the validation images; the same for every run and seed.
        storage: "tensor", small images as one uint8 tensor on the training device, augmented by a
            flip and a crop of the padded image; or "files", large images decoded from disk as they
            are needed, augmented by a flip and a crop of random size and shape, resized.
        image_size: height and width in pixels of what a network sees.
        image_channels: 1 grey or 3 colour channels.
        mean: of each channel over the training images, black 0 and white 1.
        std: likewise, the standard deviation; images are divided by it, so 0 cannot be.
        classes: names in the order of the labels.
        name: the file's name without its ending.
        path: the file it was read from.
        homepage: where the data set is published.
        citation: the paper that introduced it.
        licence: its name.
        terms: what one may do with it, in a sentence or two.
        files: the source files, for each the checksums of which one must match (publishers and
            packagers compress the same content differently). Class folders have none.
        content: checksums of the images themselves, whichever files they are in.
        folders: of class folders, where each part is.
        class_ids: names of the classes' folders, in the same order, where they are not those of
            the classes.
        levels: coarser label levels that the data set itself defines, from fine to coarse; each
            maps a coarse label to its classes.
        pad: black pixels added on each side of a source image ("tensor" only).
        shrink: after that, every shrink x shrink pixels are averaged to one ("tensor" only).
        crop_padding: pixels by which an image is padded before it is cropped ("tensor" only).
        crop_area: the smallest crop, as a fraction of the image's area ("files" only).
    """

    title: str
    format: Format
    sources: tuple[Source, ...]
    counts: Counts
    split_seed: Count
    storage: Storage
    image_size: Positive
    image_channels: Literal[1, 3]
    mean: tuple[float, ...]
    std: tuple[Deviation, ...]
    classes: tuple[str, ...]
    name: str
    path: str
    homepage: str | None = None
    citation: str | None = None
    licence: str | None = None
    terms: str | None = None
    files: dict[str, tuple[Checksum, ...]] = field(default_factory=dict)
    content: Content | None = None
    folders: Folders | None = None
    class_ids: tuple[str, ...] = ()
    levels: tuple[dict[str, tuple[str, ...]], ...] = ()
    pad: Count = 0
    shrink: Positive = 1
    crop_padding: Count = 4
    crop_area: Annotated[float, Field(gt=0, le=1)] = 0.08

    @property
    def class_folders(self) -> Folders | None:
        """Where the images are if the source is class folders; None if it cannot be."""
        return self.folders or _FOLDERS.get(self.format)

    @property
    def folder_names(self) -> tuple[str, ...]:
        """Names of the classes' folders in the order of the labels."""
        return self.class_ids or self.classes


def load_description(dataset: str, folder: Path = FOLDER) -> Description:
    """Read and check the description of a data set.

    Args:
        dataset: its name, or the path of a YAML file.
        folder: where the descriptions are.

    Raises:
        ParameterError: if the file is missing or says something that cannot be.
    """
    path = Path(dataset) if dataset.endswith(".yaml") else folder / f"{dataset}.yaml"
    description = load_file(Description, path, f"data set {path.stem!r}", folder.glob("*.yaml"))
    raise_problems(path, _contradictions(description))
    return description


def _contradictions(description: Description) -> Iterator[Problem]:
    """What each key allows by itself, but not together with the others."""
    classes, channels = description.classes, description.image_channels
    for key, count, one_each in (
        ("mean", channels, "channel"),
        ("std", channels, "channel"),
        ("class_ids", len(classes) if description.class_ids else 0, "class"),
    ):
        if (found := len(getattr(description, key))) != count:
            yield key, f"{count} are needed, one for each {one_each} (found {found})"
    if len(set(classes)) != len(classes):
        yield "classes", "a name appears twice"
    large = description.format in ("ilsvrc-2012", "cub-200-2011")
    if large and description.storage == "tensor":
        yield "storage", f"images of format {description.format} are 'files'"
    if not large and description.format != "class-folders" and description.storage == "files":
        yield from _uneven(description)
    if description.format != "class-folders" and not description.files:
        yield "files", "missing"
    if description.folders and description.format not in _FOLDERS:
        yield "folders", f"format {description.format} has no class folders"
    for number, level in enumerate(description.levels):
        members = [name for names in level.values() for name in names]
        if sorted(members) != sorted(classes):
            wrong = sorted(set(members) ^ set(classes)) or "a class that appears twice"
            yield f"levels.{number}", f"every class must have exactly one label; see {wrong}"


def _uneven(description: Description) -> Iterator[Problem]:
    """What keeps small images from being written as files, as many of each class."""
    counts, classes = description.counts, len(description.classes)
    if not description.class_ids:
        yield "class_ids", "missing: it names the folders that the files are written to"
        return
    for images in (counts.train + counts.validation, counts.test):
        if images % classes:
            yield "counts", f"{images} images cannot be split evenly into {classes} classes"
