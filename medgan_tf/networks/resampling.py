"""Up- and downsampling of maps (B, H, W, C) through low-pass filters.

Repeating pixels, or keeping every second one, causes aliasing; the filter [1, 3, 3, 1] / 8 along both axes prevents it
(Karras et al. 2020, arXiv 1912.04958, section 2.2). Maps are zero beyond their border.
"""

from keras import ops


def count_doublings(image_size, coarsest):
    """How many times a map whose shorter side has `coarsest` px is doubled to the image (height, width), at least once.

    Raises ValueError for an image that this does not give.
    """
    count = (min(image_size) // coarsest).bit_length() - 1
    if count < 1 or min(image_size) != coarsest * 2**count or max(image_size) % 2**count:
        raise ValueError(
            f"Doubling a map of {coarsest} px does not give {tuple(image_size)} pixels; use 32, 64, 128 or 256."
        )
    return count


def smooth(x, padding, strides=1):
    """Filter x (B, H, W, C) with [1, 3, 3, 1] / 8 along both axes after padding zeros: H -> H + 2 * padding - 3.

    strides: 2 keeps every second value. [1, 3, 3, 1] is [1, 1] convolved with itself twice, so the filter is three
    means of 2x2 neighbours, which are fast on all devices, as are their derivatives.
    """
    x = _padded(x, padding)
    for step in (1, 1, strides):
        x = ops.average_pool(x, 2, strides=step)
    return x


def upsample(x):
    """(B, H, W, C) -> (B, 2H, 2W, C). Repeating pixels is the same as inserting zeros and convolving with [1, 1]."""
    x = _padded(ops.repeat(ops.repeat(x, 2, axis=1), 2, axis=2), 1)
    return ops.average_pool(ops.average_pool(x, 2, strides=1), 2, strides=1)


def downsample(x):
    """(B, H, W, C) -> (B, H / 2, W / 2, C), with H and W even."""
    return smooth(x, padding=1, strides=2)


def upsampled_convolution(x, kernel):
    """Upsample, then convolve: (B, H, W, C) and (3, 3, C, D) -> (B, 2H, 2W, D).

    Here the kernel comes before the filter, which costs a quarter, because it skips the inserted zeros.
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
