"""Which images are for training, validation and testing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from anyslice.config.dataset import TRAIN_AND_TEST, Description
from anyslice.datasets import splits
from anyslice.datasets.errors import DataError


class Arrangement(NamedTuple):
    """Positions of images.

    Attributes:
        train: of the training images, those for validation included, among all.
        test: of the test images among all.
        validation: of the validation images among the training images.
    """

    train: list[int]
    test: list[int]
    validation: list[int]


def arrange(description: Description, parts: Sequence[str]) -> Arrangement:
    """Draw what the source does not hold out itself.

    Args:
        description: of the data set.
        parts: the part of every image as the source says, in the data set's order.

    Raises:
        DataError: if the images are not as many as the description says.
    """
    _check_counts(description, parts)
    drawn = _drawn(description)
    counts, seed = description.counts, description.split_seed
    train = [position for position, part in enumerate(parts) if part != "test"]
    test = [position for position, part in enumerate(parts) if part == "test"]
    if "test" in drawn:
        test = [train[index] for index in splits.draw(len(train), counts.test, seed, "test")]
        train = sorted(set(train) - set(test))
    validation = [index for index, p in enumerate(train) if parts[p] == "validation"]
    if "validation" in drawn:
        validation = splits.draw(len(train), counts.validation, seed)
    return Arrangement(train, test, validation)


def _drawn(description: Description) -> list[str]:
    """The parts that are drawn from the training images."""
    folders = description.class_folders or TRAIN_AND_TEST
    return [part for part in ("validation", "test") if not getattr(folders, part)]


def _check_counts(description: Description, parts: Sequence[str]) -> None:
    counts = description.counts
    expected = {"train": counts.train, "validation": counts.validation, "test": counts.test}
    found = {part: parts.count(part) for part in expected}
    for part in _drawn(description):
        expected["train"] += expected[part]
        expected[part] = 0
    if found != expected:
        raise DataError(
            f"{description.path} promises {_say(expected)}; the source has {_say(found)}"
        )


def _say(images: dict[str, int]) -> str:
    return " and ".join(f"{count} images for {part}" for part, count in images.items() if count)
