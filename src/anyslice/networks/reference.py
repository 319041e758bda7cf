"""torchvision's networks for large images, with their released weights: isolated points."""

from __future__ import annotations

from torch import Tensor
from torchvision import models

from anyslice.config.families import TorchvisionParams
from anyslice.networks.base import Logits, Task, require
from anyslice.networks.fixed import FixedBudgetNetwork

RELEASED_CLASSES = 1000


class TorchvisionNetwork(FixedBudgetNetwork):
    """A classification model of torchvision, which downloads released weights into its cache.

    Raises:
        AnysliceError: if there is no such model, or the task is not one that it can have.
    """

    def __init__(self, params: TorchvisionParams, task: Task) -> None:
        super().__init__(task)
        known = models.list_models(module=models)
        classes, channels = task.classes, task.image_channels
        require(
            params.arch in known,
            f"torchvision has no model {params.arch!r}: choose from {', '.join(known)}",
        )
        require(
            isinstance(classes, int), "a torchvision model has one level of labels, not several"
        )
        require(channels == 3, f"image_channels={channels}: torchvision models take 3")
        require(
            params.weights is None or classes == RELEASED_CLASSES,
            f"classes={classes}: released weights are for the {RELEASED_CLASSES} of ImageNet",
        )
        self.model = models.get_model(params.arch, weights=params.weights, num_classes=classes)

    def logits(self, images: Tensor) -> Logits:
        """Logits (N, classes) of images (N, 3, H, W)."""
        out: Tensor = self.model(images)
        return out
