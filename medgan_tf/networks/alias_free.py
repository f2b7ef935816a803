"""Nonlinearities that respect the sampling theorem (Karras et al. 2021, arXiv 2106.12423, section 3 and appendix C).

A rectifier applied to samples makes frequencies that they cannot hold; these fold back and stick to the pixel grid.
Applied at twice the sampling rate and low-passed before the samples are thinned out again, it moves and turns with
the image.

Each filter along one axis is a banded matrix that takes all samples of a line at once: upsampling, filtering,
downsampling and cropping are then one matrix product, whose derivatives of any order are products too. It has more
multiplications than a depthwise convolution, and yet takes about its time on a CPU, and much less where XLA compiles
for one.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
import scipy.signal
import scipy.special
from keras import layers, ops

from medgan_tf.networks.layers import HE_GAIN

TAPS = 6  # of a filter, for each sample at the lower of its two rates
OVERSAMPLING = 2  # the nonlinearity works at so many times the higher of the rates before and after it
SLOPE = 0.2  # of the leaky ReLU below 0
AT_A_TIME = 2**24  # values of an image's maps at the higher rate, by far the largest; more are made in turn
CLAMP = 256.0  # keeps half precision finite
NEGLIGIBLE = 1e-6  # of a filter's largest separable term: below what float32 resolves


class Signal(NamedTuple):
    """A sampled signal; frequencies in cycles, rates in samples along the longer side of the image."""

    size: tuple  # samples (height, width), margins around the image included
    rate: float
    cutoff: float  # the highest frequency that it should hold
    half_width: float  # of the transition band around the cutoff


def kaiser_lowpass(taps, cutoff, half_width, rate):
    """Sinc in a Kaiser window, (taps,) with sum 1, for samples at `rate` (appendix C.1).

    The window's shape follows from the attenuation that so many taps reach outside a transition band of cutoff -
    half_width to cutoff + half_width.
    """
    return scipy.signal.firwin(taps, cutoff, width=2 * half_width, fs=rate)


def jinc_lowpass(taps, cutoff, half_width, rate):
    """The same in two dimensions, (taps, taps) with sum 1, taps even: blind to directions, hence for rotations.

    The jinc function's spectrum is a disc; the window is the product of two Kaiser windows (appendix C.2).
    """
    places = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(places[:, None], places)
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, 2 * half_width / (rate / 2)))
    window = np.kaiser(taps, beta)
    lowpass = scipy.special.j1(2 * np.pi * cutoff * radius) / radius * np.outer(window, window)
    return lowpass / lowpass.sum()


def separable_terms(lowpass):
    """A symmetric filter (n, n) as a sum of outer(first, second): a list of pairs of (n,).

    A windowed jinc needs two to five such terms to float32's precision.
    """
    weights, vectors = np.linalg.eigh(lowpass)
    kept = np.abs(weights) > NEGLIGIBLE * np.abs(weights).max()
    return [(weight * vector, vector) for weight, vector in zip(weights[kept], vectors.T[kept], strict=True)]


def resampling_matrix(taps, size_in, size_out, up=1, down=1):
    """(size_out, size_in): insert up - 1 zeros after each sample, filter, keep every down-th; the mean is kept.

    Both signals have the same centre, and there is nothing but zeros outside the first. taps: the filter at the rate
    in between, symmetric. Raises ValueError if the samples do not meet the taps.
    """

    def centred(size):
        return np.arange(size) - (size - 1) / 2

    places = down * centred(size_out)[:, None] - up * centred(size_in) + (len(taps) - 1) / 2
    if (places % 1).any():
        raise ValueError(
            f"{len(taps)} taps are centred neither on nor between {size_in} samples times {up} and {size_out} "
            f"samples times {down}; use an even factor and even taps."
        )
    inside = (places >= 0) & (places < len(taps))
    return up * np.where(inside, taps[np.where(inside, places, 0).astype(int)], 0.0)


@keras.saving.register_keras_serializable("medgan_tf")
class FilteredLeakyReLU(layers.Layer):
    """Leaky ReLU (slope 0.2, gain sqrt(2)) at a higher rate: (B, H, W, C) at the source's rate -> (B, h, w, C).

    source, target: the two signals. (h, w) is the target's size; the target's rate is 1, 2, 4, ... times the source's.
    What the input has beyond the source's size, as a convolution adds it, is used and then cropped. radial: downsample
    with jinc in place of Kaiser filters. Half precision is clamped to +-256, as in the paper; float32 needs none.
    """

    def __init__(self, source, target, radial=False, **settings):
        super().__init__(**settings)
        self.source, self.target, self.radial = Signal(*source), Signal(*target), radial

    def build(self, input_shape):
        """The matrices for rows and for columns; no variables."""
        source, target = self.source, self.target
        between = OVERSAMPLING * max(source.rate, target.rate)
        up, down = round(between / source.rate), round(between / target.rate)
        rising = kaiser_lowpass(TAPS * up, source.cutoff, source.half_width, between)
        rising *= math.sqrt(HE_GAIN)  # along both sides: the nonlinearity's gain, for free
        lowpass = jinc_lowpass if self.radial else kaiser_lowpass
        falling = lowpass(TAPS * down, target.cutoff, target.half_width, between)
        terms = separable_terms(falling) if self.radial else [(falling, falling)]
        needed = [(size - 1) * down + TAPS * down for size in target.size]
        self.upsampling = [
            resampling_matrix(rising, before, after, up=up)
            for before, after in zip(input_shape[1:3], needed, strict=True)
        ]
        self.downsampling = [
            [
                resampling_matrix(taps, before, after, down=down)
                for taps, before, after in zip(term, needed, target.size, strict=True)
            ]
            for term in terms
        ]

    def call(self, x):
        """As many channels at a time as AT_A_TIME allows."""
        channels = x.shape[-1]
        turns = math.ceil(channels * math.prod(len(matrix) for matrix in self.upsampling) / AT_A_TIME)
        if turns == 1:
            return self._filtered(x)
        ends = [channels * turn // turns for turn in range(1, turns)]
        return ops.concatenate([self._filtered(part) for part in ops.split(x, ends, axis=-1)], axis=-1)

    def _filtered(self, x):
        """Channels go before columns, so that all products are with large matrices."""
        x = ops.transpose(x, (0, 1, 3, 2))
        x = _leaky_relu(_resampled(x, *self.upsampling))
        if self.compute_dtype != "float32":
            x = ops.clip(x, -CLAMP, CLAMP)
        x = sum(_resampled(x, rows, columns) for rows, columns in self.downsampling)
        return ops.transpose(x, (0, 1, 3, 2))

    def compute_output_shape(self, input_shape):
        """The target's size."""
        return (input_shape[0], *self.target.size, input_shape[-1])

    def get_config(self):
        """All arguments."""
        own = {"source": tuple(self.source), "target": tuple(self.target), "radial": self.radial}
        return {**super().get_config(), **own}


@ops.custom_gradient
def _leaky_relu(x):
    """Keeps one byte a value for its derivative, where TensorFlow would keep the whole float."""
    positive = x > 0

    def gradient(upstream):
        return ops.where(positive, upstream, SLOPE * upstream)

    return ops.leaky_relu(x, SLOPE), gradient


def _resampled(x, rows, columns):
    """(B, H, C, W), rows (h, H), columns (w, W) -> (B, h, C, w)."""
    _, height, channels, width = x.shape
    x = ops.matmul(ops.reshape(x, (-1, width)), ops.convert_to_tensor(columns.T, x.dtype))  # (B * H * C, w)
    x = ops.matmul(ops.convert_to_tensor(rows, x.dtype), ops.reshape(x, (-1, height, channels * len(columns))))
    return ops.reshape(x, (-1, len(rows), channels, len(columns)))
