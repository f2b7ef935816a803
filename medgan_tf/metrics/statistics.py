"""Statistics of the pixels, without features: power spectrum, intensities, autocorrelation.

The canonical statistics of Kelkar et al. 2023 (arXiv 2204.12007). Spectra, histograms and autocovariances have one row
per image, so that the resampling of the metrics can average any subset. Spectra and autocovariances of colour are
those of the mean of its channels.
"""

import numpy as np
from scipy import fft, sparse
from scipy.signal.windows import hann
from scipy.stats import wasserstein_distance

BATCH = 64
LEVELS = 256
ROUNDING = 1 / 12  # variance of rounding to whole grey levels; it keeps the logarithm of an empty spectrum finite


def power_spectra(images):
    """(N, R) float32: radially averaged power of each uint8 image (N, H, W, C), in dB of squared grey levels.

    Column r - 1 is the mean over frequencies of r cycles per min(H, W) pixels, r = 1 ... min(H, W) // 2. The image's
    mean is subtracted and a Hann window applied; white noise of variance v has 10 log10(v + 1/12) at every r.
    Raises ValueError for other arrays.
    """
    height, width = _check(images)
    window = np.outer(hann(height, sym=False), hann(width, sym=False)).astype(np.float32)
    shorter = min(height, width)
    rings = _rings(np.hypot(fft.fftfreq(height)[:, None], fft.fftfreq(width)) * shorter, range(1, shorter // 2 + 1))
    parts = []
    for batch in _batches(images):
        power = np.square(np.abs(fft.fft2(batch * window))) / np.square(window).sum()
        parts.append(10 * np.log10((rings @ power.reshape(len(batch), -1).T).T + ROUNDING))
    return np.concatenate(parts).astype(np.float32)


def power_spectrum_distance(a, b):
    """Root mean square difference in dB, over r, between the mean `power_spectra` (N, R) of two sets."""
    return float(np.sqrt(np.square(a.mean(0, np.float64) - b.mean(0, np.float64)).mean()))


def intensity_histograms(images):
    """(N, C * 256) int: how often each level occurs in each channel of each uint8 image (N, H, W, C).

    Raises ValueError for other arrays.
    """
    _check(images)
    channels = [[np.bincount(channel.ravel(), minlength=LEVELS) for channel in np.moveaxis(i, -1, 0)] for i in images]
    return np.reshape(channels, (len(images), -1))


def intensity_distance(a, b):
    """1-Wasserstein distance in levels, 0 to 255, between all pixels of two sets, from `intensity_histograms`.

    The mean of the channels' distances.
    """
    levels, sets = np.arange(LEVELS), (each.sum(0).reshape(-1, LEVELS) for each in (a, b))
    return float(np.mean([wasserstein_distance(levels, levels, *pair) for pair in zip(*sets, strict=True)]))


def autocovariances(images):
    """(N, R + 1) float32: radially averaged autocovariance of each uint8 image (N, H, W, C) at lags of 0 ... R pixels.

    R = min(H, W) // 2. Each image is taken about its own mean, and each lag divided by its number of pixel pairs.
    Raises ValueError for other arrays.
    """
    height, width = _check(images)
    padded = (2 * height, 2 * width)  # zero padding, so that the correlation does not wrap around
    pairs = np.rint(fft.irfft2(np.square(np.abs(fft.rfft2(np.ones((height, width)), padded))), padded))
    down, across = (fft.fftfreq(side, 1 / side) for side in padded)
    rings = _rings(np.hypot(down[:, None], across), range(min(height, width) // 2 + 1))
    parts = []
    for batch in _batches(images):
        sums = fft.irfft2(np.square(np.abs(fft.rfft2(batch, padded))), padded)
        parts.append((rings @ (sums / np.maximum(pairs, 1)).reshape(len(batch), -1).T).T)
    return np.concatenate(parts).astype(np.float32)


def autocorrelation(covariances):
    """(R + 1,) autocorrelation at lags of 0 ... R pixels, 1 at lag 0, from the `autocovariances` (N, R + 1) of a set.

    These are averaged over images and divided by the mean variance. Subtracting each image's own mean makes large lags
    slightly negative. All NaN if every image has a single grey level.
    """
    mean = covariances.mean(0, np.float64)
    return mean / mean[0] if mean[0] > 0 else np.full_like(mean, np.nan)


def autocorrelation_distance(a, b):
    """Root mean square difference, over lags from 1, between the `autocorrelation` of two sets' `autocovariances`."""
    return float(np.sqrt(np.square(autocorrelation(a) - autocorrelation(b))[1:].mean()))


def _batches(images):
    """Batches float32 (up to 64, H, W) of images from which their mean is subtracted."""
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH].mean(-1, np.float32)
        yield batch - batch.mean((1, 2), keepdims=True)


def _rings(radius, wanted):
    """Sparse (len(wanted), H * W): row i averages the positions whose radius rounds to wanted[i]."""
    index = np.rint(radius).astype(int).ravel()
    rows = [np.flatnonzero(index == r) for r in wanted]
    weights = np.concatenate([np.full(len(row), 1 / len(row)) for row in rows])
    ends = np.cumsum([0] + [len(row) for row in rows])
    return sparse.csr_matrix((weights, np.concatenate(rows), ends), (len(rows), index.size))


def _check(images):
    if images.ndim != 4 or images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(f"images must be uint8 (N, H, W, C), not {images.dtype} {images.shape}")
    return images.shape[1:3]
