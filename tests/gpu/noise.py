"""Prepared data sets of noise, in which each class has a bright row of its own."""

from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from anyslice.config.dataset import Counts
from anyslice.datasets.manifest import (
    IMAGES,
    INDEX,
    ImageFile,
    Manifest,
    read_manifest,
    write_index,
    write_manifest,
    write_split,
)
from anyslice.files import sha256

COUNTS = Counts(train=1024, validation=128, test=256)
CLASSES = 10


def write_noise(folder: Path, channels: int = 3, size: int = 32) -> Path:
    """Write the data set into a folder."""
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", COUNTS.train + COUNTS.validation), ("test", COUNTS.test)):
        labels = torch.randint(CLASSES, (count,), generator=generator)
        images = torch.randint(200, (count, size, size, channels), generator=generator)
        images[torch.arange(count), labels] += 55
        tensors = {"images": images.to(torch.uint8), "labels": labels}
        save_file(tensors, folder / f"{part}.safetensors")
    write_split(folder, 0, list(range(COUNTS.validation)))
    names = tuple(str(label) for label in range(CLASSES))
    files = ("train.safetensors", "test.safetensors", "split.json")
    manifest = Manifest(
        name="noise",
        title="noise",
        storage="tensor",
        crop_padding=4,
        crop_area=1.0,
        image_size=size,
        image_channels=channels,
        mean=(0.4914, 0.4822, 0.4465)[:channels],
        std=(0.2470, 0.2435, 0.2616)[:channels],
        pad=0,
        shrink=1,
        counts=COUNTS,
        classes=names,
        levels=(names,),
        level_labels=(tuple(range(CLASSES)),),
        files={name: sha256(folder / name) for name in files},
    )
    write_manifest(folder, manifest)
    return folder


def write_noise_files(folder: Path) -> Path:
    """Write the data set into a folder, its images as files."""
    manifest = read_manifest(write_noise(folder))
    (folder / IMAGES).mkdir()
    files = []
    for part in ("train", "test"):
        tensors = load_file(folder / f"{part}.safetensors")
        for number, (image, label) in enumerate(
            zip(tensors["images"], tensors["labels"], strict=True)
        ):
            files.append(ImageFile(part, f"{part}-{number:04}.png", int(label)))
            Image.fromarray(image.numpy()).save(folder / IMAGES / files[-1].path)
    write_index(folder / INDEX, files)
    names = (INDEX, "split.json")
    checksums = {name: sha256(folder / name) for name in names}
    write_manifest(folder, replace(manifest, storage="files", files=checksums))
    return folder
