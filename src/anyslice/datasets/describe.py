"""The description of a folder of images that belong to no known data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import yaml
from PIL import Image

from anyslice.config.dataset import Counts, Description, Folders, Source, Storage
from anyslice.datasets.decoding import decode
from anyslice.datasets.formats.class_folders import class_names, list_images
from anyslice.datasets.manifest import DataError, ImageFile
from anyslice.datasets.prepare import Measured, assemble_files, assemble_tensors
from anyslice.datasets.scan import parallel
from anyslice.datasets.sources import CLASS_FOLDERS

PARTS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
"""Names by which the folder of each part is known."""

LARGEST_TENSOR = 64
"""Images of more pixels on a side stay files."""

LARGEST_CROP = 224
CROP_STEP = 32
"""Of large images a network sees at most the size of ImageNet, and a multiple of this many pixels,
so that several halvings leave whole numbers."""

CROP_PADDING = 8
"""Small images are padded by this part of their side before a crop, as CIFAR's 32 by 4."""

_HEAD = """\
# Written by `anyslice data describe`. Keys that it cannot know can be added: homepage, citation,
# licence, terms, levels (coarser labels). If you rename classes, class_ids names their folders.
"""

_GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "F"}


class Wishes(NamedTuple):
    """What a user may say about a data set before it is looked at.

    Attributes:
        name: of the data set.
        title: for people, and for figures.
        held_out: which part of the training images each part gets that the source does not have.
        storage: "tensor" or "files"; by default what suits the images.
        image_size: of what a network sees; by default what suits the images.
        split_seed: draws what is held out.
    """

    name: str
    title: str | None = None
    held_out: float = 0.1
    storage: Storage | None = None
    image_size: int | None = None
    split_seed: int = 2018


class Header(NamedTuple):
    """What the head of an image file says.

    Attributes:
        size: width and height.
        grey: whether it has no colour.
    """

    size: tuple[int, int]
    grey: bool


def describe_folder(root: Path, wishes: Wishes) -> Description:
    """Look at every image in a folder and describe it.

    Args:
        root: the folder; it has class folders, or folders of class folders for each part.
        wishes: what the user says.

    Raises:
        DataError: if there are no class folders, too few images, or some that cannot be read; it
            names each.
    """
    folders = find_folders(root)
    classes = tuple(class_names(root / folders.train))
    if len(classes) < 2:
        raise DataError(
            f"{root / folders.train} has {len(classes)} class folders; at least 2 are needed, each "
            "with the images of a class"
        )
    description = Description(
        title=wishes.title or wishes.name,
        format="class-folders",
        sources=(Source(folder=str(_seen_from_here(root))),),
        counts=Counts(1, 1, 1),
        split_seed=wishes.split_seed,
        storage="files",
        image_size=1,
        image_channels=3,
        mean=(),
        std=(),
        classes=classes,
        name=wishes.name,
        path=str(root),
        folders=folders,
    )
    files = list_images(description, root)
    headers = list(parallel(lambda file: _header(root / file.path), files, "looking"))
    if None in headers:  # decoding names these, and those that are cut short below their header
        list(parallel(lambda file: decode(root / file.path, 3), files, "reading"))
    description = replace(description, counts=_count(files, wishes.held_out, root))
    description = _suit(description, [header for header in headers if header], wishes)
    measured = _measure(description, root, files)
    mean, std = measured.statistics["mean"], measured.statistics["std"]
    return replace(description, mean=mean, std=std, content=measured.content)


def find_folders(root: Path) -> Folders:
    """Where the class folders of each part are; a folder without any is no part, but a class.

    A folder of validation images without one of test images is that of the test images, as
    ImageNet's is.
    """
    if root.is_file():
        raise DataError(
            f"{root} is a file: unpack it, and name the folder that has a folder for each class"
        )
    if not root.is_dir():
        raise DataError(f"there is no folder {root}")
    found: dict[str, str | None] = {
        part: next((n for n in names if (root / n).is_dir() and class_names(root / n)), None)
        for part, names in PARTS.items()
    }
    train, validation, test = found["train"], found["validation"], found["test"]
    if not train:
        return Folders(train=".")
    if not test:
        validation, test = None, validation
    return Folders(train, validation, test)


def to_yaml(description: Description) -> str:
    """The description as a file in params/datasets."""
    unsaid = {"name", "path"}
    defaults = {"pad": 0, "shrink": 1, "crop_padding": 4, "crop_area": 0.08}
    values = {
        key: value
        for key, value in asdict(description).items()
        if key not in unsaid and value not in (None, (), {}) and value != defaults.get(key)
    }
    values["sources"] = [{"folder": source.folder} for source in description.sources]
    text = yaml.safe_dump(
        _plain(values), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    return f"{_HEAD}{text}"


def _plain(value: object) -> object:
    """With lists in place of tuples, and nothing that is None."""
    if isinstance(value, dict):
        return {key: _plain(some) for key, some in value.items() if some is not None}
    return [_plain(some) for some in value] if isinstance(value, list | tuple) else value


def _seen_from_here(root: Path) -> Path:
    """Relative if it is below the working folder."""
    root = root.absolute()
    return root.relative_to(Path.cwd()) if root.is_relative_to(Path.cwd()) else root


def _header(path: Path) -> Header | None:
    try:
        with Image.open(path) as image:
            return Header(image.size, image.mode in _GREY)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _count(files: Sequence[ImageFile], held_out: float, root: Path) -> Counts:
    found = Counter(file.part for file in files)
    train = found["train"]
    drawn = max(1, round(train * held_out))
    counts = {part: found[part] or drawn for part in ("validation", "test")}
    kept = train - drawn * sum(not found[part] for part in counts)
    if kept < 1:
        raise DataError(f"{root} has {train} training images, too few to hold any out")
    return Counts(train=kept, **counts)


def _suit(description: Description, headers: Sequence[Header], wishes: Wishes) -> Description:
    """The description with what suits the images: storage, size, channels and padding."""
    sizes = {header.size for header in headers}
    width, height = next(iter(sizes))
    small = len(sizes) == 1 and width == height <= LARGEST_TENSOR
    storage = wishes.storage or ("tensor" if small else "files")
    if storage == "tensor":
        size = wishes.image_size or width
    else:
        shorter = int(median(min(header.size) for header in headers))
        size = wishes.image_size or max(
            CROP_STEP, min(LARGEST_CROP, shorter) // CROP_STEP * CROP_STEP
        )
    return replace(
        description,
        storage=storage,
        image_size=size,
        image_channels=1 if all(header.grey for header in headers) else 3,
        crop_padding=max(1, size // CROP_PADDING)
        if storage == "tensor"
        else description.crop_padding,
    )


def _measure(description: Description, root: Path, files: Sequence[ImageFile]) -> Measured:
    if description.storage == "tensor":
        return assemble_tensors(description, {CLASS_FOLDERS: root})[-1]
    return assemble_files(description, root, files)[-1]
