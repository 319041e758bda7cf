"""What a GPU draws and crops is what a CPU does."""

import pytest
import torch
from noise import write_noise

from anyslice.datasets import open_dataset
from anyslice.datasets.dataset import Augmentation


@pytest.mark.parametrize("padding", ["black", "mean"])
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28)])
def test_augmented_images_are_the_cpus(device, tmp_path, channels, size, padding):
    dataset = open_dataset(write_noise(tmp_path, channels, size))
    on_cpu, on_device = (
        dataset.train_batches(
            seed=7, epoch=2, batch_size=64, device=d, augmentation=Augmentation(padding=padding)
        )
        for d in ("cpu", device)
    )
    for expected, found in zip(on_cpu, on_device, strict=True):
        assert torch.equal(expected.labels, found.labels.cpu())
        # Crops are copies; normalisation may round once where a CPU rounds twice.
        torch.testing.assert_close(found.images.cpu(), expected.images, rtol=0, atol=5e-7)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_shares_of_an_evaluation_make_the_whole(device, noise, part):
    dataset = open_dataset(noise)
    whole = list(dataset.eval_batches(part, batch_size=50, device=device))
    shares = [
        list(dataset.eval_batches(part, batch_size=50, device=device, rank=rank, world=3))
        for rank in range(3)
    ]
    for number, batch in enumerate(whole):
        found = shares[number % 3][number // 3]
        assert torch.equal(found.images, batch.images)
        assert torch.equal(found.labels, batch.labels)
    assert sum(map(len, shares)) == len(whole)
