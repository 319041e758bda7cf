"""ResNeXt (pre-activation) and I-ResNeXt, whose thin sub-networks are slices of it.

    images -> stem -> [block x L/S] -> downscale -> [block x L/S] -> ... -> head_k -> logits_k

    block(x, k) = x + conv3(relu(bn3_k( conv2(relu(bn2_k( conv1(relu(bn1_k(x))) ))) )))
        conv1  1x1,          W     -> C_k B  channels    (first C_k B rows)
        conv2  3x3 grouped,  C_k B -> C_k B  channels    (first C_k groups)
        conv3  1x1,          C_k B -> W      channels    (first C_k B columns)

Sub-network k uses C_k = k C / K branches of every block, its own BN layers and its own head; all
convolutions are shared (Section 3.1). W and B follow `stem.Stages`. ResNeXt is the case K = 1, and
sub-network k of I-ResNeXt is the ResNeXt of cardinality C_k.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anyslice.config.families import IResNeXtParams, ResNeXtParams
from anyslice.networks import side_by_side
from anyslice.networks.base import AnytimeNetwork, Logits, Standalone, Task
from anyslice.networks.heads import make_head
from anyslice.networks.norm import copy_norm, norm_relu
from anyslice.networks.stem import Stages, Stem, downscale
from anyslice_kernels import residual_block as fused

BatchNorm = Literal["independent", "shared"]


class Norm(nn.Module):
    """BN over the first `widths[k-1]` channels: one for each sub-network, or one shared by all."""

    def __init__(self, widths: Sequence[int], batch_norm: BatchNorm) -> None:
        super().__init__()
        self.widths = tuple(widths)
        shared = batch_norm == "shared"
        self.bn = nn.ModuleList(
            nn.BatchNorm2d(w) for w in ([max(widths)] if shared else self.widths)
        )
        self.shared = shared

    def of(self, k: int) -> nn.BatchNorm2d:
        """The BN layer that sub-network k uses, whole."""
        bn = self.bn[0 if self.shared else k - 1]
        return cast(nn.BatchNorm2d, bn)

    def forward(self, features: Tensor, k: int) -> Tensor:
        """BN of sub-network k, then ReLU; (N, widths[k-1], H, W) to the same shape."""
        channels = slice(self.widths[k - 1])
        return norm_relu(features, self.of(k), channels, training=self.training)

    def slice(self, k: int) -> Norm:
        """A copy with the parameters and statistics of sub-network k alone."""
        sliced = Norm([self.widths[k - 1]], "independent").to(self.of(k).weight)
        copy_norm(sliced.of(1), self.of(k), slice(self.widths[k - 1]))
        return sliced


class Block(nn.Module):
    """One residual block of C branches of bottleneck width B, usable by its first C_k branches."""

    def __init__(self, W: int, B: int, C: int, K: int, batch_norm: BatchNorm) -> None:
        super().__init__()
        self.cardinalities = [k * C // K for k in range(1, K + 1)]
        self.widths = [c * B for c in self.cardinalities]
        self.conv1 = nn.Conv2d(W, C * B, 1, bias=False)
        self.conv2 = nn.Conv2d(C * B, C * B, 3, padding=1, groups=C, bias=False)
        self.conv3 = nn.Conv2d(C * B, W, 1, bias=False)
        self.norm1 = Norm([W] * K, batch_norm)
        self.norm2 = Norm(self.widths, batch_norm)
        self.norm3 = Norm(self.widths, batch_norm)

    def forward(self, x: Tensor, k: int) -> Tensor:
        """`x + F_1(x) + ... + F_{C_k}(x)`, with the BN layers of sub-network k; (N, W, H, W)."""
        if fused.pays(x, self.conv2.weight.shape[1], training=self.training):
            return self._fused(x, k)
        width = self.widths[k - 1]
        a = F.conv2d(self.norm1(x, k), self.conv1.weight[:width])
        b = F.conv2d(
            self.norm2(a, k),
            self.conv2.weight[:width],
            padding=1,
            groups=self.cardinalities[k - 1],
        )
        return x + F.conv2d(self.norm3(b, k), self.conv3.weight[:, :width])

    def _fused(self, x: Tensor, k: int) -> Tensor:
        width = self.widths[k - 1]
        norms = (self.norm1, self.norm2, self.norm3)
        return fused.residual_block(
            x,
            (
                fused.Conv(self.conv1.weight[:width]),
                fused.Conv(self.conv2.weight[:width], groups=self.cardinalities[k - 1]),
                fused.Conv(self.conv3.weight[:, :width]),
            ),
            tuple(fused.norm_of(norm.of(k), norm.widths[k - 1]) for norm in norms),
        )

    def copy_slice(self, k: int, source: Block) -> None:
        """Take the weights that sub-network k of `source` uses; self has its cardinality."""
        width = source.widths[k - 1]
        with torch.no_grad():
            self.conv1.weight.copy_(source.conv1.weight[:width])
            self.conv2.weight.copy_(source.conv2.weight[:width])
            self.conv3.weight.copy_(source.conv3.weight[:, :width])
        self.norm1 = source.norm1.slice(k)
        self.norm2 = source.norm2.slice(k)
        self.norm3 = source.norm3.slice(k)


class IResNeXt(AnytimeNetwork):
    """I-ResNeXt (Section 3.1); with K = 1, ResNeXt. The heads are independent in any case."""

    def __init__(self, params: IResNeXtParams, task: Task) -> None:
        super().__init__(params.K, task)
        self.params = params
        W, B, C, K, norm = params.W, params.B, params.C, params.K, params.batch_norm
        stages = Stages.of(params.L, task.image_size)
        self.stem = Stem(task.image_channels, W, task.image_size)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(f * W, f * B, C, K, norm) for _ in range(stages.blocks))
            for f in stages.factors
        )
        last = stages.factors[-1] * W
        self.heads = nn.ModuleList(make_head(last, task.classes) for _ in range(K))

    def blocks(self) -> list[list[Block]]:
        """The blocks of each stage."""
        return [list(cast(Iterable[Block], blocks)) for blocks in self.stages]

    def logits(self, x: Tensor, k: int) -> Logits:
        """Logits of sub-network k from the stem's output x."""
        for s, blocks in enumerate(self.blocks()):
            x = downscale(x, blocks[0].conv1.in_channels) if s else x
            for block in blocks:
                x = block(x, k)
        out: Logits = self.heads[k - 1](x)
        return out

    def forward(self, images: Tensor) -> list[Logits]:
        """Logits of all K sub-networks, thinnest first."""
        x = self.stem(images)
        return [self.logits(x, k) for k in range(1, self.K + 1)]

    def passes(self, images: Tensor) -> Iterator[list[tuple[int, Logits]]]:
        """One group per sub-network, so that training needs the memory of one pass.

        The stem runs once; its gradient is accumulated over the K passes. Where sub-networks are
        faster side by side, and small, they are one group.
        """
        x = self.stem(images)
        if side_by_side.pays(self, x):
            yield side_by_side.logits(self, x)
            return
        leaf = x.detach().requires_grad_()
        for k in range(1, self.K + 1):
            yield [(k, self.logits(leaf, k))]
        x.backward(leaf.grad)

    def subnetwork(self, k: int) -> nn.Module:
        """The ResNeXt of cardinality C_k, with the weights of sub-network k."""
        self.check_k(k)
        cardinality = k * self.params.C // self.K
        thin = replace(self.params, C=cardinality, K=1, batch_norm="independent")
        sliced = IResNeXt(thin, self.task).to(self.stem.conv.weight)
        sliced.stem = copy.deepcopy(self.stem)
        sliced.heads[0] = copy.deepcopy(self.heads[k - 1])
        for mine, theirs in zip(sliced.blocks(), self.blocks(), strict=True):
            for block, source in zip(mine, theirs, strict=True):
                block.copy_slice(k, source)
        return Standalone(sliced).train(self.training)


def resnext(params: ResNeXtParams, task: Task) -> IResNeXt:
    """ResNeXt: I-ResNeXt with one sub-network."""
    return IResNeXt(IResNeXtParams(**asdict(params) | {"name": "i-resnext", "K": 1}), task)
