"""torchvision's networks for large images, with their released weights: isolated points."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torchvision import models

from anyslice.networks.base import Logits, require
from anyslice.networks.fixed import FixedBudgetNetwork

RELEASED_CLASSES = 1000


class TorchvisionNetwork(FixedBudgetNetwork):
    """A classification model of torchvision.

    Args:
        arch: torchvision's name of the model, such as resnet50, resnext50_32x4d, densenet121.
        weights: None for fresh weights, or torchvision's name of released ones, such as DEFAULT
            or IMAGENET1K_V1, which torchvision downloads into its cache and checks.
        classes: number of labels; 1000 with released weights.
        image_size: side of the images in pixels.
        image_channels: 3.

    Raises:
        AnysliceError: if a hyper-parameter cannot work, saying what would.
    """

    def __init__(
        self,
        *,
        arch: str,
        weights: str | None = None,
        classes: int | Sequence[int],
        image_size: int,
        image_channels: int = 3,
    ) -> None:
        super().__init__(classes=classes, image_size=image_size, image_channels=image_channels)
        known = models.list_models(module=models)
        require(arch in known, f"torchvision has no model {arch!r}: choose from {', '.join(known)}")
        require(
            isinstance(classes, int), "a torchvision model has one level of labels, not several"
        )
        require(image_channels == 3, f"image_channels={image_channels}: torchvision models take 3")
        require(
            weights is None or classes == RELEASED_CLASSES,
            f"classes={classes}: released weights are for the {RELEASED_CLASSES} of ImageNet",
        )
        self.arch = arch
        self.model = models.get_model(arch, weights=weights, num_classes=classes)

    def logits(self, images: Tensor) -> Logits:
        """Logits (N, classes) of images (N, 3, H, W)."""
        out: Tensor = self.model(images)
        return out
