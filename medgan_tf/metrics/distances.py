"""Distances between two sets of features, and the Inception score. All computed in float64."""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.special import log_softmax, logsumexp

ROWS = 1024  # rows of a kernel matrix held at a time: 1024 x 10,000 float64 are 80 MB
MAX_PARTS = 3
TOLERANCE = 1e-6  # relative rounding error of a Frechet distance, above which a slower, exact way is taken


class Extrapolation(NamedTuple):
    """`value` at infinite n; images a side, largest first, and the distance at each of these sizes."""

    value: float
    sizes: list
    distances: list


def frechet_distance(a, b):
    """Frechet distance between the Gaussians fitted to two feature sets (FID when the features are Inception's).

    a is (N, D) and b is (M, D). With centred features scaled by 1/sqrt(n - 1), so that the covariances are A'A and B'B,
    the trace of the root of their product is the nuclear norm of A B'. This needs no matrix square root, has no
    imaginary part to discard and no epsilon to add, and costs the smaller of n and D cubed. Heusel et al. 2017 (arXiv
    1706.08500). Biased upward by an amount that falls with n: compare equal n. Raises ValueError for sets of different
    width, fewer than two rows, or values that are not finite.
    """
    a, b = _pair(a, b)
    squares = np.square(a.mean(0) - b.mean(0)).sum()
    a, b = _scaled(a), _scaled(b)
    squares += np.square(a).sum() + np.square(b).sum()
    norm, error = _nuclear_norm(a, b)
    if error > TOLERANCE * (squares - 2 * norm):
        norm = np.linalg.svd(_covariance_root(a) @ _covariance_root(b).T, compute_uv=False).sum()
    return max(float(squares - 2 * norm), 0.0)  # rounding gives about -1e-13 for a set and itself


def frechet_distance_infinity(a, b, a_patients=None, b_patients=None, seed=0):
    """Frechet distance extrapolated to infinitely many images: an `Extrapolation`.

    The bias of the distance falls as 1/n, by a factor that differs between generators, so equal n alone does not make
    two of them comparable. A line in 1/n is fitted to the distances at n, n/2 and n/3 and evaluated at 1/n = 0: Chong
    and Forsyth 2020 (arXiv 1911.07023). Unlike theirs, the distance at n/m is the mean over all m parts of a random
    split, not that of one random subset: the noise that the parts share with the whole cancels, so the extrapolation
    adds little. n is the number of rows of the smaller set.

    Patients (N,) and (M,), if known, are kept whole by the split: the bias of similar images falls with the number of
    patients, which a split by images would hardly change. Sizes of D images and fewer are left out, except n/2: there
    the covariances lose rank and the distance leaves the line. The value of real against real images shows whether it
    did so anyway: it should be 0. The value may be negative. Raises ValueError as `frechet_distance` does, and for
    fewer than four rows.
    """
    a, b = _pair(a, b)
    n = min(len(a), len(b))
    if n < 4:
        raise ValueError(f"an extrapolation needs at least 4 rows on each side, not {len(a)} and {len(b)}")
    generator = np.random.default_rng(seed)
    a, b = a[_whole_patients(len(a), a_patients, generator)], b[_whole_patients(len(b), b_patients, generator)]
    parts = [count for count in range(1, MAX_PARTS + 1) if count <= 2 or n // count > a.shape[1]]
    sizes = [n // count for count in parts]
    distances = [
        float(np.mean([frechet_distance(a[i : i + size], b[i : i + size]) for i in range(0, count * size, size)]))
        for count, size in zip(parts, sizes, strict=True)
    ]
    return Extrapolation(float(np.polyfit(1 / np.array(sizes), distances, 1)[1]), sizes, distances)


def kernel_distance(a, b):
    """Kernel distance: unbiased squared MMD with the kernel (x.y / D + 1)^3 (KID on Inception features).

    a is (N, D) and b is (M, D). Unbiased, so it may be slightly negative when the sets agree; its expectation does not
    depend on n. Binkowski et al. 2018 (arXiv 1801.01401). Raises ValueError as `frechet_distance` does.
    """
    a, b = _pair(a, b)
    n, m = len(a), len(b)
    within_a, within_b = _kernel_sum_within(a) / (n * (n - 1)), _kernel_sum_within(b) / (m * (m - 1))
    return float(within_a + within_b - 2 * _kernel_sum(a, b) / (n * m))


def inception_score(logits):
    """Inception score exp(E KL(p(y|x) || p(y))) of one set from a classifier's logits (N, C): 1 to C.

    It means little for images unlike the classifier's own classes (arXiv 1801.01973): compare it with the score of
    the real images. Salimans et al. 2016 (arXiv 1606.03498).
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


def _whole_patients(n, patients, generator):
    """(n,) indices in random order, with the images of each patient next to each other."""
    _, owner = np.unique(np.arange(n) if patients is None else patients, return_inverse=True)
    return np.argsort(generator.permutation(owner.max() + 1)[owner], kind="stable")


def _scaled(x):
    """Centred rows over sqrt(n - 1): x'x is their covariance."""
    return (x - x.mean(0)) / np.sqrt(len(x) - 1)


def _nuclear_norm(a, b):
    """(sum of the singular values of a b', bound on its rounding error).

    Computed from the eigenvalues of a smaller symmetric matrix, which are their squares: several times as fast as the
    singular values themselves, but those below the square root of the precision are lost.
    """
    if min(len(a), len(b)) <= a.shape[1]:
        product = a @ b.T if len(a) <= len(b) else b @ a.T
        squared = product @ product.T
    else:
        try:
            root = linalg.cholesky(a.T @ a, lower=True, overwrite_a=True)
        except linalg.LinAlgError:
            return 0.0, np.inf
        squared = root.T @ (b.T @ b) @ root
    squares = linalg.eigvalsh(squared, overwrite_a=True)
    rounding = np.finfo(float).eps * np.sqrt(len(squares)) * squares[-1]
    squares = np.maximum(squares, 0)
    error = np.sqrt(squares + rounding) - np.sqrt(np.maximum(squares - rounding, 0))
    return np.sqrt(squares).sum(), error.sum()


def _covariance_root(x):
    """R (min(N, D), D) with R'R = x'x: the rows, or their triangular factor where N > D."""
    return np.linalg.qr(x, mode="r") if len(x) > x.shape[1] else x


def _kernel_sum(x, y):
    """Sum of the kernel over all pairs of a row of x and a row of y."""
    total = 0.0
    for start in range(0, len(x), ROWS):
        kernel = (x[start : start + ROWS] / x.shape[1]) @ y.T
        kernel += 1
        total += np.vdot(np.square(kernel), kernel)
    return total


def _kernel_sum_within(x):
    """The same sum over all ordered pairs of different rows of x; only one of (i, j) and (j, i) is computed."""
    total = -np.power(np.square(x).sum(1) / x.shape[1] + 1, 3).sum()
    for start in range(0, len(x), ROWS):
        rows, rest = x[start : start + ROWS], x[start + ROWS :]
        total += _kernel_sum(rows, rows) + 2 * _kernel_sum(rows, rest)
    return total
