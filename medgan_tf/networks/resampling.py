"""Resampling through low-pass filters, for maps (B, H, W, C) of any channels.

Repeating pixels, or taking every second one, mirrors frequencies; the filter [1, 3, 3, 1] / 8 along both sides holds
them back (Karras et al. 2020, arXiv 1912.04958, section 2.2). Beyond the border all is 0. Constants stay constant.
"""

import numpy as np
from keras import ops


def resample(x, taps, up=1, down=1, padding=(0, 0)):
    """Both sides: insert up - 1 zeros after each pixel, pad, convolve with taps, keep each down-th value.

    x: (B, H, W, C). taps: K numbers; where they sum to 1, constants stay constant, since the zeros are made up for by
    a factor `up`. padding: zeros (before, after) both sides, counted after the insertion; negative ones cut.
    Returns (B, H', W', C) with H' = (up * H + before + after - K) // down + 1.

    Each side is one product with a matrix, with derivatives of any order; a depthwise convolution, some times faster on
    a CPU, is more than ten times slower there under XLA.
    """
    height, width, channels = x.shape[1:]
    rows, columns = (_matrix(side, np.asarray(taps), up, down, padding) for side in (height, width))
    x = ops.matmul(ops.cast(rows, x.dtype), ops.reshape(x, (-1, height, width * channels)))
    x = ops.matmul(ops.cast(columns, x.dtype), ops.reshape(x, (-1, width, channels)))
    return ops.reshape(x, (-1, len(rows), len(columns), channels))


def _matrix(size, taps, up, down, padding):
    """(outputs, size): which tap takes which pixel to which output."""
    outputs = (up * size + sum(padding) - len(taps)) // down + 1
    tap = down * np.arange(outputs)[:, None] - up * np.arange(size) + len(taps) - 1 - padding[0]
    inside = (tap >= 0) & (tap < len(taps))
    return np.where(inside, up * taps[np.where(inside, tap, 0)], 0.0).astype("float32")


def smooth(x, padding, strides=1):
    """[1, 3, 3, 1] / 8 along both sides of x (B, H, W, C) with `padding` zeros around it: H -> H + 2 * padding - 3.

    strides: 2 keeps every second value. [1, 3, 3, 1] is [1, 1] convolved with itself twice, and means of 2x2 neighbours
    are cheap wherever TensorFlow runs, their derivatives too.
    """
    x = _padded(x, padding)
    for step in (1, 1, strides):
        x = ops.average_pool(x, 2, strides=step)
    return x


def upsample(x):
    """(B, H, W, C) -> (B, 2H, 2W, C). Repeated pixels are zeros inserted and convolved with [1, 1] already."""
    x = _padded(ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2), 1)
    return ops.average_pool(ops.average_pool(x, 2, strides=1), 2, strides=1)


def downsample(x):
    """(B, H, W, C) -> (B, H / 2, W / 2, C), H and W even."""
    return smooth(x, padding=1, strides=2)


def upsampled_convolution(x, kernel):
    """Upsample, then convolve: (B, H, W, C) and (3, 3, C, D) -> (B, 2H, 2W, D).

    Filter and kernel change places, which costs a quarter: the kernel meets only pixels that are no inserted zeros.
    """
    kernel = 4.0 * ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))
    return smooth(ops.conv_transpose(x, kernel, strides=2, padding="valid"), padding=1)


def downsampled_convolution(x, kernel):
    """Smooth, then convolve at every second pixel: (B, H, W, C) and (k, k, C, D) -> (B, H / 2, W / 2, D), k 1 or 3."""
    if kernel.shape[0] == 1:
        return ops.conv(downsample(x), kernel)
    return ops.conv(smooth(x, padding=2), kernel, strides=2, padding="valid")


def _padded(x, padding):
    return ops.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
