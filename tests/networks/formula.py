"""MACs and parameters of the ResNeXt family by formula: an independent check of the counter.

With C_k = k C / K branches, P_s pixels and widths W_s = f_s W and B_s = f_s B at stage s (f_s is
1, 2, 4 and, for large images, 4), one block of sub-network k costs P_s times

    ResNeXt, I-ResNeXt   W_s n + 9 B_s n + n W_s                      n = C_k B_s
    IS-ResNeXt           (W_s / K)(1 + ... + k) m + k 9 B_s m + k m W_s / K    m = (C / K) B_s

so that a thin sub-network's cost is linear in k for I-ResNeXt and quadratic for IS-ResNeXt.
"""

from __future__ import annotations

from dataclasses import dataclass

from anyslice.config.families import LARGEST_SMALL_IMAGE


@dataclass(frozen=True)
class Shape:
    """Sub-network k of a network of the ResNeXt family, on images of a size, in numbers only."""

    L: int
    W: int
    B: int
    C: int
    K: int
    k: int
    classes: tuple[int, ...]
    image_size: int
    image_channels: int
    sparse: bool


def macs(shape: Shape) -> int:
    """Multiply-adds of convolutions and linear layers for one image."""
    conv_side, side = _stem_sides(shape.image_size)
    total = conv_side**2 * _stem_weights(shape)
    factors = _factors(shape)
    for s, f in enumerate(factors):
        total += (side >> s) ** 2 * shape.L // len(factors) * _block_weights(shape, f)
    return total + sum(_last_width(shape) * labels for labels in shape.classes)


def parameters(shape: Shape) -> int:
    """Weights of convolutions, of BN (two for each channel) and of the head's linear layers."""
    total = _stem_weights(shape)
    factors = _factors(shape)
    for f in factors:
        inner = shape.k * shape.C // shape.K * shape.B * f
        norms = 2 * (_width(shape) * f) + 2 * 2 * inner
        total += shape.L // len(factors) * (_block_weights(shape, f) + norms)
    last = _last_width(shape)
    return total + sum(2 * last + (last + 1) * labels for labels in shape.classes)


def _width(shape: Shape) -> int:
    """Width of the first stage's features: sliced if sparse, whole otherwise."""
    return shape.k * shape.W // shape.K if shape.sparse else shape.W


def _last_width(shape: Shape) -> int:
    return _width(shape) * _factors(shape)[-1]


def _factors(shape: Shape) -> tuple[int, ...]:
    return (1, 2, 4) if shape.image_size <= LARGEST_SMALL_IMAGE else (1, 2, 4, 4)


def _block_weights(shape: Shape, f: int) -> int:
    W, B = shape.W * f, shape.B * f
    k, K = shape.k, shape.K
    if shape.sparse:
        m = shape.C // K * B
        return W // K * (k * (k + 1) // 2) * m + k * 9 * B * m + k * m * W // K
    n = k * shape.C // K * B
    return W * n + 9 * B * n + n * W


def _stem_weights(shape: Shape) -> int:
    kernel = 7 if shape.image_size > LARGEST_SMALL_IMAGE else 3
    return kernel**2 * shape.image_channels * _width(shape)


def _stem_sides(image_size: int) -> tuple[int, int]:
    """Side of the stem's convolution, and of the first block's features (after pooling)."""
    if image_size <= LARGEST_SMALL_IMAGE:
        return image_size, image_size
    halved = (image_size + 1) // 2
    return halved, (halved + 1) // 2
