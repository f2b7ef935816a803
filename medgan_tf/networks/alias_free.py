"""Nonlinearities without aliasing (Karras et al. 2021, arXiv 2106.12423, section 3 and appendix C).

A ReLU of samples creates frequencies too high for the sampling rate; they alias and stick to the pixel grid. If it is
applied at twice the sampling rate and low-pass filtered before downsampling, the result moves and rotates with the
image.

Each filter along one axis is a banded matrix that is applied to all samples of a line at once: upsampling, filtering,
downsampling and cropping are one matrix product, and so are their derivatives of any order. This has more
multiplications than a depthwise convolution, but takes about the same time on a CPU, and much less under XLA.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
import scipy.signal
import scipy.special
from keras import ops

from medgan_tf.networks.layers import HE_GAIN, ConfiguredLayer
from medgan_tf.networks.styles import clamped

TAPS = 6  # filter taps for each sample at the lower of the two rates
OVERSAMPLING = 2  # rate of the nonlinearity, relative to the higher of the rates before and after it
SLOPE = 0.2  # of the leaky ReLU below 0
CHUNK = 2**24  # values of an image's maps at the highest rate, by far the largest; more channels are computed in chunks
NEGLIGIBLE = 1e-6  # relative size of separable terms that float32 does not resolve


class Signal(NamedTuple):
    """A sampled signal. Frequencies are in cycles, rates in samples, along the longer side of the image."""

    size: tuple  # (height, width) in samples, including the margins around the image
    rate: float
    cutoff: float  # highest frequency that it should contain
    half_width: float  # of the transition band around the cutoff


def kaiser_lowpass(taps, cutoff, half_width, rate):
    """Low-pass filter (taps,) with sum 1 at sampling rate `rate`: a sinc with a Kaiser window (appendix C.1).

    The transition band is cutoff - half_width to cutoff + half_width; it and the number of taps determine the window.
    """
    return scipy.signal.firwin(taps, cutoff, width=2 * half_width, fs=rate)


def jinc_lowpass(taps, cutoff, half_width, rate):
    """Radially symmetric low-pass filter (taps, taps) with sum 1, taps even, for equivariance to rotation.

    A jinc, whose spectrum is a disc, with the product of two Kaiser windows (appendix C.2).
    """
    places = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(places[:, None], places)
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, 2 * half_width / (rate / 2)))
    window = np.kaiser(taps, beta)
    lowpass = scipy.special.j1(2 * np.pi * cutoff * radius) / radius * np.outer(window, window)
    return lowpass / lowpass.sum()


def separable_terms(lowpass):
    """Decompose a symmetric filter (n, n) into a sum of outer products: a list of pairs of vectors (n,).

    A windowed jinc has two to five such terms in float32.
    """
    weights, vectors = np.linalg.eigh(lowpass)
    kept = np.abs(weights) > NEGLIGIBLE * np.abs(weights).max()
    return [(weight * vector, vector) for weight, vector in zip(weights[kept], vectors.T[kept], strict=True)]


def resampling_matrix(taps, size_in, size_out, up=1, down=1):
    """Matrix (size_out, size_in) that inserts up - 1 zeros after each sample, filters, and keeps every down-th sample.

    It preserves the mean. Both signals have the same centre; the first is zero outside. taps: the symmetric filter at
    the rate in between. With an even factor and an even number of taps, samples fall on taps.
    """

    def centred(size):
        return np.arange(size) - (size - 1) / 2

    places = down * centred(size_out)[:, None] - up * centred(size_in) + (len(taps) - 1) / 2
    inside = (places >= 0) & (places < len(taps))
    return up * np.where(inside, taps[np.where(inside, places, 0).astype(int)], 0.0)


@keras.saving.register_keras_serializable("medgan_tf")
class FilteredLeakyReLU(ConfiguredLayer):
    """Leaky ReLU (slope 0.2, gain sqrt(2)) at a higher sampling rate: (B, H, W, C) -> (B, h, w, C).

    source, target: the signals before and after; (h, w) is the target's size, and its rate is 1, 2, 4, ... times the
    source's. Samples of the input beyond the source's size, which a convolution adds, are used and then cropped.
    radial: downsample with jinc instead of Kaiser filters. Half precision is clamped, as in the paper.
    """

    def __init__(self, source, target, radial=False, **settings):
        super().__init__(**settings)
        self.source, self.target, self.radial = Signal(*source), Signal(*target), radial

    def build(self, input_shape):
        """Compute the matrices for rows and columns; there are no variables."""
        source, target = self.source, self.target
        between = OVERSAMPLING * max(source.rate, target.rate)
        up, down = round(between / source.rate), round(between / target.rate)
        rising = kaiser_lowpass(TAPS * up, source.cutoff, source.half_width, between)
        rising *= math.sqrt(HE_GAIN)  # along both axes, which together give the gain of the nonlinearity
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
        """Filter as many channels at a time as CHUNK allows."""
        channels = x.shape[-1]
        chunks = math.ceil(channels * math.prod(len(matrix) for matrix in self.upsampling) / CHUNK)
        if chunks == 1:
            return self._filtered(x)
        ends = [channels * chunk // chunks for chunk in range(1, chunks)]
        return ops.concatenate([self._filtered(part) for part in ops.split(x, ends, axis=-1)], axis=-1)

    def _filtered(self, x):
        """Filter all channels; with channels before columns, all products have large matrices."""
        x = ops.transpose(x, (0, 1, 3, 2))
        x = clamped(_leaky_relu(_resampled(x, *self.upsampling)))
        x = sum(_resampled(x, rows, columns) for rows, columns in self.downsampling)
        return ops.transpose(x, (0, 1, 3, 2))


@ops.custom_gradient
def _leaky_relu(x):
    """Leaky ReLU that keeps one byte per value for its derivative, where TensorFlow would keep a float."""
    positive = x > 0

    def gradient(upstream):
        return ops.where(positive, upstream, SLOPE * upstream)

    return ops.leaky_relu(x, SLOPE), gradient


def _resampled(x, rows, columns):
    """(B, H, C, W) times rows (h, H) and columns (w, W) -> (B, h, C, w)."""
    _, height, channels, width = x.shape
    x = ops.matmul(ops.reshape(x, (-1, width)), ops.convert_to_tensor(columns.T, x.dtype))  # (B * H * C, w)
    x = ops.matmul(ops.convert_to_tensor(rows, x.dtype), ops.reshape(x, (-1, height, channels * len(columns))))
    return ops.reshape(x, (-1, len(rows), channels, len(columns)))
