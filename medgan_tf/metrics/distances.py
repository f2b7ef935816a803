"""Distances between two sets of features, and the Inception score. All computed in float64."""

import numpy as np
from scipy.special import log_softmax, logsumexp

ROWS = 1024  # rows of a kernel matrix held at a time: 1024 x 10,000 float64 are 80 MB


def frechet_distance(a, b):
    """Frechet distance between the Gaussians fitted to two feature sets (FID when the features are
    Inception's).

    a is (N, D) and b is (M, D). With centred features scaled by 1/sqrt(n - 1), so that the covariances are
    A'A and B'B, the trace of the root of their product is the nuclear norm of A B'. This needs no matrix
    square root, has no imaginary part to discard and no epsilon to add, and costs the smaller of n and D
    cubed. Heusel et al. 2017 (arXiv 1706.08500). Biased upward by an amount that falls with n: compare equal
    n. Raises ValueError for sets of different width, fewer than two rows, or values that are not finite.
    """
    a, b = _pair(a, b)
    mean_term = np.square(a.mean(0) - b.mean(0)).sum()
    a, b = _covariance_root(a), _covariance_root(b)
    root_trace = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    distance = mean_term + np.square(a).sum() + np.square(b).sum() - 2 * root_trace
    return max(float(distance), 0.0)  # the distance of a set from itself rounds to about -1e-13


def kernel_distance(a, b):
    """Kernel distance: unbiased squared MMD with the kernel (x.y / D + 1)^3 (KID on Inception features).

    a is (N, D) and b is (M, D). Unbiased, so it may be slightly negative when the sets agree; its
    expectation does not depend on n. Binkowski et al. 2018 (arXiv 1801.01401).
    Raises ValueError as `frechet_distance` does.
    """
    a, b = _pair(a, b)
    n, m = len(a), len(b)
    within_a = (_kernel_sum(a, a) - _kernel_diagonal(a).sum()) / (n * (n - 1))
    within_b = (_kernel_sum(b, b) - _kernel_diagonal(b).sum()) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def inception_score(logits):
    """Inception score exp(E KL(p(y|x) || p(y))) of one set from a classifier's logits (N, C): 1 to C.

    Means little away from the classifier's own classes (arXiv 1801.01973): read it beside the real images'
    score. Salimans et al. 2016 (arXiv 1606.03498).
    """
    log_p = log_softmax(np.asarray(logits, np.float64), axis=1)
    log_marginal = logsumexp(log_p, axis=0) - np.log(len(log_p))
    return float(np.exp((np.exp(log_p) * (log_p - log_marginal)).sum(1).mean()))


def _pair(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D) with one D, not {a.shape} and {b.shape}")
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a distance needs at least 2 rows on each side, not {len(a)} and {len(b)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("the features hold values that are not finite: the extractor or its input is broken")
    return a, b


def _covariance_root(x):
    """R (min(N, D), D) with R'R = covariance of x: centred rows, or their triangular factor where N > D."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return np.linalg.qr(centred, mode="r") if len(x) > x.shape[1] else centred


def _kernel_sum(x, y):
    return sum(_cubed(x[i : i + ROWS] @ y.T, x.shape[1]).sum() for i in range(0, len(x), ROWS))


def _kernel_diagonal(x):
    return _cubed(np.square(x).sum(1), x.shape[1])


def _cubed(products, width):
    kernel = products / width + 1
    return kernel * kernel * kernel  # ten times faster than ** 3
