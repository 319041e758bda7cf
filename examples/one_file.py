"""The method in one file: I-ResNeXt on Fashion-MNIST, with PyTorch and nothing of anyslice.

    python examples/one_file.py --epochs 3

One ResNeXt of C branches a block holds K sub-networks of the same depth: sub-network k uses the
first k C / K branches. All convolutions are shared; BN layers and classifiers are not (Section 3.1
of Lee & Shin, 2018). A step adds the gradients of all K losses (equation 1), then updates once. At
prediction time any sub-network answers, at the cost of its branches alone.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGES = Path(__file__).parents[1] / "data/embedded/fashion-mnist"
MEAN, STD = 0.2202, 0.3148
CLASSES = 10


class Block(nn.Module):
    """`x + F_1(x) + ... + F_c(x)` of the first c branches, each of bottleneck width B."""

    def __init__(self, W: int, B: int, C: int, K: int) -> None:
        super().__init__()
        self.B, self.branches = B, [k * C // K for k in range(1, K + 1)]
        self.conv1 = nn.Conv2d(W, C * B, 1, bias=False)
        self.conv2 = nn.Conv2d(C * B, C * B, 3, padding=1, groups=C, bias=False)
        self.conv3 = nn.Conv2d(C * B, W, 1, bias=False)
        # Features of another number of branches have other statistics: a BN for each sub-network.
        self.bn1 = nn.ModuleList(nn.BatchNorm2d(W) for _ in self.branches)
        self.bn2 = nn.ModuleList(nn.BatchNorm2d(c * B) for c in self.branches)
        self.bn3 = nn.ModuleList(nn.BatchNorm2d(c * B) for c in self.branches)

    def forward(self, x: Tensor, k: int) -> Tensor:
        """(N, W, H, W') to the same shape, by sub-network k = 0 ... K - 1."""
        c = self.branches[k]
        width = c * self.B
        a = F.conv2d(F.relu(self.bn1[k](x)), self.conv1.weight[:width])
        b = F.conv2d(F.relu(self.bn2[k](a)), self.conv2.weight[:width], padding=1, groups=c)
        return x + F.conv2d(F.relu(self.bn3[k](b)), self.conv3.weight[:, :width])


class Head(nn.Module):
    """BN, ReLU, the mean over all pixels, and a linear layer."""

    def __init__(self, W: int) -> None:
        super().__init__()
        self.bn, self.fc = nn.BatchNorm2d(W), nn.Linear(W, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, W, H, W') to logits (N, CLASSES)."""
        logits: Tensor = self.fc(F.relu(self.bn(x)).mean((2, 3)))
        return logits


class IResNeXt(nn.Module):
    """L blocks in three stages of widths W, 2 W, 4 W, for grey images."""

    def __init__(self, L: int = 3, W: int = 16, B: int = 4, C: int = 4, K: int = 4) -> None:
        super().__init__()
        self.K = K
        self.stem = nn.Conv2d(1, W, 3, padding=1, bias=False)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(f * W, f * B, C, K) for _ in range(L // 3)) for f in (1, 2, 4)
        )
        self.heads = nn.ModuleList(Head(4 * W) for _ in range(K))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # MSRA initialisation
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor, k: int) -> Tensor:
        """Images (N, 1, H, W) to logits of sub-network k = 0 (thinnest) ... K - 1 (full)."""
        x = self.stem(images)
        for s, blocks in enumerate(self.stages):
            if s:  # half the resolution, twice the channels, the new ones zero
                x = F.avg_pool2d(x, 2)
                x = torch.cat([x, torch.zeros_like(x)], dim=1)
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, k)
        logits: Tensor = self.heads[k](x)
        return logits


def train_step(
    network: IResNeXt, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> list[float]:
    """One step on the sum of the K losses, which are returned; a pass for each sub-network."""
    optimiser.zero_grad()
    losses = []
    for k in range(network.K):
        loss = F.cross_entropy(network(images, k), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.item())
    optimiser.step()
    return losses


@torch.no_grad()
def errors(network: IResNeXt, images: Tensor, labels: Tensor) -> list[float]:
    """Percent of images that each sub-network gets wrong."""
    network.eval()
    wrong = [(network(images, k).argmax(1) != labels).double().mean() for k in range(network.K)]
    return [float(100 * share) for share in wrong]


def load(part: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 16, 16), normalised, and labels (N,) of "train" or "t10k"."""
    with gzip.open(IMAGES / f"{part}-images-idx3-ubyte.gz") as file:
        pixels = torch.frombuffer(bytearray(file.read()[16:]), dtype=torch.uint8)
    with gzip.open(IMAGES / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = torch.frombuffer(bytearray(file.read()[8:]), dtype=torch.uint8).long()
    padded = F.pad(pixels.view(-1, 1, 28, 28).float() / 255, (2, 2, 2, 2))
    return (F.avg_pool2d(padded, 2) - MEAN) / STD, labels


def augment(images: Tensor) -> Tensor:
    """Mirror half of the images, and shift each by up to 2 pixels, black moving in."""
    size, black = images.shape[-1], (0 - MEAN) / STD
    padded = F.pad(images, (2, 2, 2, 2), value=black)
    top, left = torch.randint(5, (2, len(images), 1))
    rows, columns = top + torch.arange(size), left + torch.arange(size)
    mirrored = torch.rand(len(images), 1) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    here = torch.arange(len(images))[:, None, None]
    return padded[here, 0, rows[:, :, None], columns[:, None, :]][:, None]


def main() -> None:
    """Train for some epochs at a rate that falls linearly; print losses and errors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    epochs = parser.parse_args().epochs
    torch.manual_seed(1)
    train_images, train_labels = load("train")
    test_images, test_labels = load("t10k")
    network = IResNeXt().to(memory_format=torch.channels_last)  # faster on CPUs
    steps = len(train_labels) // 64
    optimiser = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4
    )
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, epochs * steps)
    for epoch in range(1, epochs + 1):
        network.train()
        for batch in torch.randperm(len(train_labels))[: 64 * steps].view(steps, 64):
            images = augment(train_images[batch])
            losses = train_step(network, optimiser, images, train_labels[batch])
            falling.step()
        wrong = errors(network, test_images, test_labels)
        print(
            f"epoch {epoch}: losses of sub-networks 1 to {network.K}",
            " ".join(f"{loss:.3f}" for loss in losses),
            "test errors, %:",
            " ".join(f"{error:.1f}" for error in wrong),
        )


if __name__ == "__main__":
    main()
