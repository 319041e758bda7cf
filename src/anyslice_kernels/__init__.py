"""Kernels for training the networks of anyslice on CPUs, compiled by Numba for this CPU.

Networks use residual_block.py, norm_relu.py and growth.py, each of which says when it pays; without
Numba they never do, and the plain modules of PyTorch compute the same.

A block of the ResNeXt family is memory-bound when BN, ReLU, convolutions and the sum each read and
write all features. Here one pass over the memory does

    forward     y = conv(relu(scale x + shift)), and the moments of y that the next BN needs;
    backward    from the gradient of y: those of the weight and of scale x + shift, and the sums
                that the gradient of the BN needs.

What lies between x and y exists only in tiles that fit the caches next to the core.

    data.py                     what the kernels take and return, and when they are usable
    pointwise.py, grouped.py    the passes of 1x1 and of grouped 3x3 convolutions
    norm.py                     what BN needs between them
    norm_relu.py, rows.py       BN and ReLU alone, at any width
    growth.py                   features that grow by concatenation, in one buffer
    parts.py                    how a pass sees its tensors, part by part and tile by tile
    vectors.py                  what the innermost loops are written with
    elementwise.py, products.py the innermost loops
    threads.py                  tasks, their compilation and the threads that they run in

Features are (N, H, W, channels) in memory. Convolutions take a multiple of LANES channels: whoever
has fewer adds zeros. The images are cut into parts, which the threads take one after the other; a
part has its own sums, so no result depends on the number of threads.

Compiled code is kept beside its source (or in the user's cache folder): the 20 seconds or so that
it takes are spent once on a machine and type of number.
"""
