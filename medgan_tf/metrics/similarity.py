"""Structural similarity: MS-SSIM of random pairs as a measure of diversity; SSIM and PSNR of reconstructions."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d
from scipy.signal.windows import gaussian

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, Wang et al. 2003
WINDOW = 11  # pixels of the Gaussian window, which must fit into the coarsest scale
GAUSSIAN = gaussian(WINDOW, 1.5) / gaussian(WINDOW, 1.5).sum()
K1, K2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # the constants C1 and C2 of SSIM for grey levels 0 to 255
BATCH = 64


def scales(height, width):
    """Number of MS-SSIM scales that an image size allows: 5 from 161 pixels, 3 at 64 pixels.

    Each scale halves the image (odd sizes are padded by one), and the 11 pixel window must fit into the last one.
    Raises ValueError for images under 11 pixels.
    """
    size, count = min(height, width), 0
    while size >= WINDOW and count < len(WEIGHTS):
        size, count = (size + 1) // 2, count + 1
    if count == 0:
        raise ValueError(f"MS-SSIM needs images of at least {WINDOW} pixels a side, not {height} x {width}")
    return count


def ms_ssim(pairs_a, pairs_b):
    """Multi-scale structural similarity (N,), 0 to 1, of uint8 images (N, H, W, C) taken pair by pair.

    As tf.image.ssim_multiscale with the first `scales(H, W)` of the five published weights, renormalised to sum to 1,
    but with a separable window, which is a hundred times faster on a CPU at 64 pixels. Values for different numbers of
    scales are not comparable. Of colour it is the mean of the channels. Wang et al. 2003. Raises ValueError for images
    of different shape, not uint8, or under 11 pixels.
    """
    _check_pairs(pairs_a, pairs_b)
    weights = np.array(WEIGHTS[: scales(*pairs_a.shape[1:3])])
    weights /= weights.sum()
    batches = [slice(start, start + BATCH) for start in range(0, len(pairs_a), BATCH)]
    channels = [
        np.concatenate([_ms_ssim(pairs_a[i, ..., channel], pairs_b[i, ..., channel], weights) for i in batches])
        for channel in range(pairs_a.shape[-1])
    ]
    return np.mean(channels, axis=0)


def _ms_ssim(x, y, weights):
    """(N,) of uint8 images (N, H, W): contrast and structure at each scale, and luminance at the coarsest."""
    x, y, value = x.astype(np.float64), y.astype(np.float64), 1.0
    for scale, weight in enumerate(weights):
        if scale:
            x, y = _halved(x), _halved(y)
        mean_x, mean_y = _local_means(x), _local_means(y)
        covariance = _local_means(x * y) - mean_x * mean_y
        variances = _local_means(x**2 + y**2) - mean_x**2 - mean_y**2
        similarity = (2 * covariance + K2) / (variances + K2)
        if scale == len(weights) - 1:
            similarity *= (2 * mean_x * mean_y + K1) / (mean_x**2 + mean_y**2 + K1)
        value *= np.maximum(similarity.mean((1, 2)), 0) ** weight
    return value


def _local_means(images):
    """(N, H - 10, W - 10): means under the Gaussian window, wherever all of it lies inside."""
    margin = slice(WINDOW // 2, -(WINDOW // 2))
    return correlate1d(correlate1d(images, GAUSSIAN, 1), GAUSSIAN, 2)[:, margin, margin]


def _halved(images):
    """Means of 2 x 2 pixels; the last row and column count twice where their number is odd."""
    height, width = images.shape[1:]
    padded = np.pad(images, [(0, 0), (0, height % 2), (0, width % 2)], mode="edge")
    return (padded[:, ::2, ::2] + padded[:, 1::2, ::2] + padded[:, ::2, 1::2] + padded[:, 1::2, 1::2]) / 4


def diversity(images, labels=None, pairs=100, seed=0, patients=None):
    """Mean MS-SSIM over random pairs of different images of one class: high if images resemble each other.

    images are uint8 (N, H, W, C); labels (N,) or None for one class; each class gives pairs / classes pairs.
    If patients (N,) are given, the two images of a pair are of different patients. Compare it with the value of real
    images: far above it means collapse, far below it noise. Odena et al. 2017 (ACGAN, arXiv 1610.09585). Raises
    ValueError if no class has two such images.
    """
    return float(similarities(images, labels, pairs, seed, patients).values.mean())


@dataclass(frozen=True)
class Similarities:
    """MS-SSIM of random pairs of images."""

    pairs: np.ndarray  # (P, 2) indices of images
    values: np.ndarray  # (P,)

    def within(self, indices):
        """The mean over the pairs of which both images are among these indices; NaN if there is none."""
        values = self.values[np.isin(self.pairs, indices).all(1)]
        return float(values.mean()) if len(values) else np.nan


def similarities(images, labels=None, pairs=100, seed=0, patients=None):
    """The `Similarities` whose mean is `diversity`, with the same arguments and errors."""
    generator = np.random.default_rng(seed)
    labels = np.zeros(len(images), int) if labels is None else np.asarray(labels)
    patients = np.arange(len(images)) if patients is None else np.asarray(patients)
    classes = np.unique(labels)
    each = -(-pairs // len(classes))
    drawn = np.concatenate([_draw_pairs(np.flatnonzero(labels == name), patients, each, generator) for name in classes])
    if len(drawn) == 0:
        raise ValueError(f"MS-SSIM within classes needs two images of one class; none of {len(classes)} has them")
    return Similarities(drawn, ms_ssim(*(images[side] for side in drawn.T)))


def ssim(a, b, paired_by=None):
    """SSIM (N,), -1 to 1, of each uint8 image (N, H, W, C) with its own reconstruction.

    skimage with the Gaussian window of Wang et al. 2004 (sigma 1.5, population covariance) and data range
    255. `paired_by` states why a[i] and b[i] are the same picture, such as "inversion": a generated image has no
    real counterpart, and a value over unrelated images measures nothing. Raises ValueError if it is missing.
    """
    from skimage.metrics import structural_similarity

    _check_declared(a, b, paired_by)
    options = {"data_range": 255, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    options["channel_axis"] = -1
    return np.array([structural_similarity(x, y, **options) for x, y in zip(a, b, strict=True)])


def psnr(a, b, paired_by=None):
    """Peak signal-to-noise ratio (N,) in dB, data range 255, infinite for equal images; arguments as for `ssim`."""
    _check_declared(a, b, paired_by)
    error = np.square(a.astype(np.float64) - b).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(255**2 / error)


def _draw_pairs(members, patients, count, generator):
    """(count, 2) indices of pairs of images of different patients; (0, 2) if there are none."""
    if len(np.unique(patients[members])) < 2:
        return np.empty((0, 2), int)
    first = generator.choice(members, count)
    others = (members[patients[members] != patients[index]] for index in first)  # lazily, since each is long
    return np.stack([first, [generator.choice(candidates) for candidates in others]], axis=1)


def _check_declared(a, b, paired_by):
    if not paired_by:
        raise ValueError(
            "SSIM and PSNR compare an image with its own reconstruction and mean nothing for unrelated "
            "images; if a[i] and b[i] are the same picture, give the reason, such as paired_by='inversion'"
        )
    _check_pairs(a, b)


def _check_pairs(a, b):
    if a.shape != b.shape or a.ndim != 4 or not a.dtype == b.dtype == np.uint8:
        raise ValueError(
            f"pairs must be two uint8 arrays of one shape (N, H, W, C), not {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
