"""What it takes to use a trained network on new images: `deployment` in metrics.json.

With the weights beside it a run folder is complete: no data set, description or taxonomy is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from anyslice.config.checked_yaml import STRICT, Count, Positive
from anyslice.config.dataset import Storage
from anyslice.costs.macs import count, cumulative_macs
from anyslice.datasets.dataset import Dataset
from anyslice.datasets.manifest import Manifest
from anyslice.networks.base import AnytimeNetwork
from anyslice.networks.heads import levels
from anyslice.training.loss import labels_by_level

BATCH = 250


@dataclass(frozen=True, config=STRICT)
class ImageFormat:
    """How an image becomes the network's input; the data set's keys of these names.

    Attributes:
        storage: "tensor" or "files", which are evaluated on the central square of the image.
        size: height and width in pixels of what the network sees.
        channels: 1 or 3.
        mean: of each channel, black 0 and white 1.
        std: of each channel.
        pad: black pixels added on each side.
        shrink: after that, every shrink x shrink pixels are averaged to one.
    """

    storage: Storage
    size: Positive
    channels: Positive
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: Count
    shrink: Positive


@dataclass(frozen=True, config=STRICT)
class LabelLevel:
    """The labels of one level: their names, and for each class the index of its label."""

    names: tuple[str, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, config=STRICT)
class Calibration:
    """How often an answer was right on validation images, as a rising step function of confidence.

    Confidence is the largest probability that the network gives. The function is the isotonic
    regression of right (1) or wrong (0) on it, with one right and one wrong answer added to the
    surest: n right ones of n are then a share of (n + 1) / (n + 2), for the next may be wrong.

    Attributes:
        confidences: where the steps begin, rising.
        accuracies: the share of right answers from there on, rising and less than 1.
    """

    confidences: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True, config=STRICT)
class Deployment:
    """What it takes to use a trained network of K sub-networks and D label levels.

    Attributes:
        images: how an image becomes the network's input.
        levels: D levels, fine to coarse.
        macs: of sub-network 1 ... K for one image, with the heads of all levels.
        cumulative_macs: spent when answer k follows answers 1 ... k - 1.
        calibration: for each sub-network and level.
    """

    images: ImageFormat
    levels: tuple[LabelLevel, ...]
    macs: tuple[int, ...]
    cumulative_macs: tuple[int, ...]
    calibration: tuple[tuple[Calibration, ...], ...]


def deployment_of(
    network: AnytimeNetwork,
    dataset: Dataset,
    manifest: Manifest,
    label_levels: Sequence[LabelLevel],
) -> Deployment:
    """Count a trained network's operations and calibrate it on validation images.

    It is in eval mode, on the device that is to run it.
    """
    macs = [cost.macs for cost in count(network)]
    return Deployment(
        images=ImageFormat(
            storage=manifest.storage,
            size=manifest.image_size,
            channels=manifest.image_channels,
            mean=manifest.mean,
            std=manifest.std,
            pad=manifest.pad,
            shrink=manifest.shrink,
        ),
        levels=tuple(label_levels),
        macs=tuple(macs),
        cumulative_macs=tuple(cumulative_macs(network, macs)),
        calibration=calibrate(network, dataset, label_levels),
    )


@torch.no_grad()
def calibrate(
    network: AnytimeNetwork, dataset: Dataset, label_levels: Sequence[LabelLevel]
) -> tuple[tuple[Calibration, ...], ...]:
    """For each sub-network and level how confidence tells right from wrong on validation images."""
    device = next(network.parameters()).device
    maps = torch.tensor([level.labels for level in label_levels], device=device)
    confidences, rights = [], []
    for images, labels in dataset.eval_batches("validation", batch_size=BATCH, device=device):
        truth = labels_by_level(labels, maps)
        best = [[out.softmax(1).max(1) for out in levels(logits)] for logits in network(images)]
        confidences.append(torch.stack([torch.stack([b.values for b in of_k]) for of_k in best]))
        guesses = torch.stack([torch.stack([b.indices for b in of_k]) for of_k in best])
        rights.append(guesses == truth)
    confidence, right = torch.cat(confidences, dim=2).cpu(), torch.cat(rights, dim=2).cpu()
    return tuple(
        tuple(calibration_of(confidence[k, d], right[k, d]) for d in range(network.D))
        for k in range(network.K)
    )


def calibration_of(confidence: Tensor, right: Tensor) -> Calibration:
    """The step function of N answers, from their confidences and whether they were right."""
    from scipy.optimize import isotonic_regression  # slow to import; predictions do without

    values, order = confidence.double().sort()
    fitted = isotonic_regression(
        [*right[order].double().tolist(), 0.5], weights=[*[1.0] * len(values), 2.0]
    )
    starts = [start for start in fitted.blocks[:-1] if start < len(values)]
    return Calibration(
        tuple(round(c, 6) for c in values[starts].tolist()),
        tuple(round(a, 6) for a in fitted.x[starts].tolist()),
    )
