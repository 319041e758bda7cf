"""What a data set holds, in whichever files and order: its images' digests and their checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch

from anyslice.datasets.labelled import Images

_BYTE = 256


def digest(label: int, classes: int, content: bytes) -> bytes:
    """The SHA-256 of an image with its label.

    Args:
        label: its class, written as one byte, or as two from 257 classes on, the higher first.
        classes: how many there are.
        content: the pixels plane by plane, each row by row, as in the files of CIFAR; of a file,
            its bytes.
    """
    return hashlib.sha256(label.to_bytes(1 if classes <= _BYTE else 2, "big") + content).digest()


def digests(part: Images, classes: int) -> list[bytes]:
    """The digest of each image."""
    planes = part.images.permute(0, 3, 1, 2).contiguous().numpy()
    return [
        digest(label, classes, image.tobytes())
        for label, image in zip(part.labels.tolist(), planes, strict=True)
    ]


def checksum(digests: Iterable[bytes]) -> str:
    """The checksum of images in any order: the SHA-256 of their sorted digests."""
    return f"sha256:{hashlib.sha256(b''.join(sorted(digests))).hexdigest()}"


def canonical_order(digests: list[bytes]) -> torch.Tensor:
    """The positions of the images in the order of their digests, int64 (N,)."""
    return torch.tensor(sorted(range(len(digests)), key=digests.__getitem__))
