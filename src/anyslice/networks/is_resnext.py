"""IS-ResNeXt: K sub-features, each block's k-th output a function of the first k inputs only.

    x = [x_1; ...; x_K]   sub-features of width W / K, kept apart through the whole network

    a_j = conv1_j(relu(bn1([x_1; ...; x_j])))      1x1,  j W/K -> C/K B   (j = 1 ... K)
    b   = conv2  (relu(bn2([a_1; ...; a_K])))      3x3, C groups of B
    y   = conv3  (relu(bn3(b))) + x                1x1, K groups of C/K B -> W/K
    logits_k = head_k([x_1; ...; x_k])

(Section 3.2; a_j here is the group of C/K branches that belong to sub-feature j.) BN is shared, as
it must be: what sub-network k computes, sub-network k + 1 uses again. So one forward pass gives
all outputs, one backward pass the gradient of equation (1), and the network is interruptible.

The weights of conv1 are kept as K blocks, so no zero is stored. Training puts them into one dense
convolution, which is faster than K narrow ones; `subnetwork(k)` and the steps run the narrow ones,
so they multiply no zero.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.config.families import ISResNeXtParams
from anyslice.networks.base import AnytimeNetwork, Logits, TakesImages, Task
from anyslice.networks.heads import make_head
from anyslice.networks.norm import copy_norm, norm_relu
from anyslice.networks.stem import Stages, Stem, downscale
from anyslice_kernels import residual_block as fused


class PrefixConv(nn.Module):
    """conv1: a 1x1 convolution whose j-th group of outputs sees the first j sub-features.

    `parts[j - 1]` is the weight of group j, (out / K, j in / K, 1, 1).
    """

    def __init__(self, in_width: int, out_width: int, K: int) -> None:
        super().__init__()
        self.in_width = in_width
        self.parts = nn.ParameterList(
            nn.Parameter(nn.Conv2d(j * in_width // K, out_width // K, 1).weight.detach())
            for j in range(1, K + 1)
        )

    def dense(self) -> Tensor:
        """The whole weight, (out, in, 1, 1), block lower triangular."""
        return torch.cat(
            [F.pad(w, (0, 0, 0, 0, 0, self.in_width - w.shape[1])) for w in self.parts]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H, W), all K groups at once."""
        return F.conv2d(x, self.dense())


class SparseBlock(nn.Module):
    """The sparse residual block: W features in K sub-features, C branches of bottleneck B."""

    def __init__(self, W: int, B: int, C: int, K: int) -> None:
        super().__init__()
        self.K = K
        self.norm1 = nn.BatchNorm2d(W)
        self.conv1 = PrefixConv(W, C * B, K)
        self.norm2 = nn.BatchNorm2d(C * B)
        self.conv2 = nn.Conv2d(C * B, C * B, 3, padding=1, groups=C, bias=False)
        self.norm3 = nn.BatchNorm2d(C * B)
        self.conv3 = nn.Conv2d(C * B, W, 1, groups=K, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, W, H, W) to the same shape, the k-th sub-feature from the first k."""
        if fused.pays(x, self.conv2.weight.shape[1], training=self.training):
            return self._fused(x)
        a = self.conv1(F.relu(self.norm1(x)))
        b = self.conv2(F.relu(self.norm2(a)))
        y: Tensor = x + self.conv3(F.relu(self.norm3(b)))
        return y

    def _fused(self, x: Tensor) -> Tensor:
        norms = (self.norm1, self.norm2, self.norm3)
        for norm in norms:
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked.add_(1)
        return fused.residual_block(
            x,
            (
                fused.Conv(self.conv1.dense(), prefixes=self.K),
                fused.Conv(self.conv2.weight, groups=self.conv2.groups),
                fused.Conv(self.conv3.weight, groups=self.conv3.groups),
            ),
            tuple(fused.norm_of(norm, norm.num_features) for norm in norms),
        )

    def step(self, x: Tensor, k: int, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """The k-th sub-feature of the output, reusing what the steps before k left (eval mode).

        Args:
            x: (N, W / K, H, W), the k-th sub-feature of the input.
            before: relu(bn1([x_1; ...; x_(k-1)])), (N, (k - 1) W / K, H, W); None for k = 1.

        Returns:
            (N, W / K, H, W), and relu(bn1([x_1; ...; x_k])).
        """
        wide = part_of(self.norm1.num_features, k, self.K)
        narrow = part_of(self.norm2.num_features, k, self.K)
        normalised = append(before, norm_relu(x, self.norm1, wide, training=False))
        a = F.conv2d(normalised, self.conv1.parts[k - 1])
        b = F.conv2d(
            norm_relu(a, self.norm2, narrow, training=False),
            self.conv2.weight[narrow],
            padding=1,
            groups=self.conv2.groups // self.K,
        )
        y = x + F.conv2d(norm_relu(b, self.norm3, narrow, training=False), self.conv3.weight[wide])
        return y, normalised

    def first(self, k: int) -> SparseBlock:
        """A copy with the weights of the first k sub-features only."""
        W, inner, K = self.norm1.num_features, self.norm2.num_features, self.K
        wide, narrow = slice(k * W // K), slice(k * inner // K)
        C = self.conv2.groups
        block = SparseBlock(k * W // K, inner // C, k * C // K, k).to(self.conv2.weight)
        with torch.no_grad():
            for mine, theirs in zip(block.conv1.parts, self.conv1.parts, strict=False):
                mine.copy_(theirs)
            block.conv2.weight.copy_(self.conv2.weight[narrow])
            block.conv3.weight.copy_(self.conv3.weight[wide])
            copy_norm(block.norm1, self.norm1, wide)
            copy_norm(block.norm2, self.norm2, narrow)
            copy_norm(block.norm3, self.norm3, narrow)
        return block


def part_of(width: int, k: int, K: int) -> slice:
    """The channels of sub-feature k among `width` channels of K sub-features."""
    return slice((k - 1) * width // K, k * width // K)


def blocks_of(stages: nn.ModuleList) -> list[list[SparseBlock]]:
    """The blocks of each stage."""
    return [list(cast(Iterable[SparseBlock], blocks)) for blocks in stages]


def append(before: Tensor | None, x: Tensor) -> Tensor:
    """The channels of both, one after the other."""
    return x if before is None else torch.cat([before, x], dim=1)


def all_sub_features(stem: Stem, stages: nn.ModuleList, K: int, images: Tensor) -> Tensor:
    """The last block's output, (N, W_last, H, W), each block's conv1 as one that holds zeros."""
    x: Tensor = stem(images)
    for s, blocks in enumerate(blocks_of(stages)):
        x = downscale(x, blocks[0].norm1.num_features, parts=K) if s else x
        for block in blocks:
            x = block(x)
    return x


def sub_feature(
    stem: Stem, stages: nn.ModuleList, K: int, k: int, images: Tensor, before: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Sub-feature k of the last block's output, (N, W_last / K, H, W).

    Args:
        images: (N, channels, H, W).
        before: what the call for k - 1 left; empty for k = 1.

    Returns:
        The sub-feature, and for each block relu(bn1(x)) of the first k sub-features of its input.
    """
    left: list[Tensor] = []
    x = stem(images, part_of(stem.conv.out_channels, k, K))
    for s, blocks in enumerate(blocks_of(stages)):
        x = downscale(x, blocks[0].norm1.num_features // K) if s else x
        for block in blocks:
            x, normalised = block.step(x, k, before[len(left)] if before else None)
            left.append(normalised)
    return x, left


def one_sub_feature_after_the_other(
    stem: Stem, stages: nn.ModuleList, K: int, images: Tensor
) -> Tensor:
    """As `all_sub_features`, by narrow convolutions, so that no zero is multiplied (eval mode)."""
    features: list[Tensor] = []
    left: list[Tensor] = []
    for k in range(1, K + 1):
        x, left = sub_feature(stem, stages, K, k, images, left)
        features.append(x)
    return torch.cat(features, dim=1)


class SparseStep(nn.Module):
    """What sub-network k adds to sub-network k - 1: sub-feature k of every block, and head k.

    It leaves what `sub_feature` leaves, and the first k sub-features of the last block's output.
    """

    def __init__(self, network: ISResNeXt, k: int) -> None:
        super().__init__()
        self.stem, self.stages, self.head = network.stem, network.stages, network.heads[k - 1]
        self.K, self.k = network.K, k

    def forward(self, images: Tensor, *before: Tensor) -> tuple[Any, ...]:
        """See `AnytimeNetwork.steps`."""
        x, left = sub_feature(self.stem, self.stages, self.K, self.k, images, before[:-1])
        features = append(before[-1] if before else None, x)
        return self.head(features), *((*left, features) if self.k < self.K else ())


def _first(x: Tensor, width: int) -> Tensor:
    """The first channels of x; compact if x is channels_last, or BN would take its slow path."""
    compact = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    prefix = x[:, :width]
    return prefix.contiguous(memory_format=torch.channels_last) if compact else prefix


class SparseSubnetwork(TakesImages):
    """Sub-network k of an IS-ResNeXt: its first k sub-features and its head, nothing else.

    Args:
        dense: run each block's conv1 as one convolution that holds zeros, not as k narrow ones.
    """

    def __init__(self, network: ISResNeXt, k: int, *, dense: bool = False) -> None:
        super().__init__()
        self.k, self.dense, self.task = k, dense, network.task
        width = k * network.params.W // network.K
        weight = network.stem.conv.weight[:width]
        self.stem = Stem(network.task.image_channels, width, network.task.image_size).to(weight)
        with torch.no_grad():
            self.stem.conv.weight.copy_(weight)
        self.stages = nn.ModuleList(
            nn.ModuleList(block.first(k) for block in blocks)
            for blocks in blocks_of(network.stages)
        )
        self.head = copy.deepcopy(network.heads[k - 1])

    def forward(self, images: Tensor) -> Logits:
        """Logits (N, classes), or a tuple over D levels, of images (N, channels, H, W)."""
        every = all_sub_features if self.dense else one_sub_feature_after_the_other
        logits: Logits = self.head(every(self.stem, self.stages, self.k, images))
        return logits


class ISResNeXt(AnytimeNetwork):
    """IS-ResNeXt (Section 3.2)."""

    def __init__(self, params: ISResNeXtParams, task: Task) -> None:
        super().__init__(params.K, task)
        self.params = params
        W, B, C, K = params.W, params.B, params.C, params.K
        stages = Stages.of(params.L, task.image_size)
        self.stem = Stem(task.image_channels, W, task.image_size)
        self.stages = nn.ModuleList(
            nn.ModuleList(SparseBlock(f * W, f * B, C, K) for _ in range(stages.blocks))
            for f in stages.factors
        )
        last = stages.factors[-1] * W
        self.heads = nn.ModuleList(make_head(k * last // K, task.classes) for k in range(1, K + 1))

    def forward(self, images: Tensor) -> list[Logits]:
        """Logits of all K sub-networks from one pass, thinnest first."""
        x = all_sub_features(self.stem, self.stages, self.K, images)
        width = x.shape[1] // self.K
        return [head(_first(x, k * width)) for k, head in enumerate(self.heads, start=1)]

    def steps(self) -> list[nn.Module]:
        """Step k computes sub-feature k of every block, and head k."""
        return [SparseStep(self, k) for k in range(1, self.K + 1)]

    def subnetwork(self, k: int) -> nn.Module:
        """The first k sub-features and head k, as a module that stores and multiplies no zero."""
        self.check_k(k)
        return SparseSubnetwork(self, k).train(self.training)

    def dense_subnetwork(self, k: int) -> nn.Module:
        """As `subnetwork`, with one convolution in place of k: more products in less time."""
        self.check_k(k)
        return SparseSubnetwork(self, k, dense=True).train(self.training)
