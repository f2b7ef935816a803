"""Precision, recall, density and coverage from nearest-neighbour balls (arXiv 1904.06991 and 2002.09797)."""

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

ROWS = 1024  # rows of a distance matrix held at a time: 1024 x 10,000 float64 are 80 MB


def precision_recall(a_real, b_fake, k=5):
    """Fidelity and diversity of synthetic features (M, D) compared with real ones (N, D): a dict of floats.

    Around every point lies a ball that reaches to its k-th nearest neighbour in its own set.
      precision  proportion of synthetic points inside any real ball
      recall     proportion of real points inside any synthetic ball
      density    mean number of real balls that contain a synthetic point, divided by k: 1 is expected if the sets
                 agree, more if synthetic points crowd where real ones are densest
      coverage   proportion of real balls that contain any synthetic point
    Kynkaanniemi et al. 2019 (precision, recall), Naeem et al. 2020 (density, coverage; k = 5, equal n). As in
    the authors' `prdc` package, a point exactly on a ball's edge is outside, and distances are compared in
    float32. Distances are computed in float64 blocks; no N x N matrix is kept. Raises ValueError if a set has
    fewer than k + 1 points.
    """
    real, fake = np.asarray(a_real, np.float64), np.asarray(b_fake, np.float64)
    if min(len(real), len(fake)) < k + 1:
        raise ValueError(f"k = {k} neighbours need at least {k + 1} points in each set, not {len(real)}, {len(fake)}")
    real_radius, fake_radius = _radii(real, k), _radii(fake, k)
    recalled, covered, holding = [], [], np.zeros(len(fake), int)
    for start, distance in _blocks(real, fake):  # (rows of real, M)
        radius = real_radius[start : start + len(distance), None]
        inside = distance < radius
        holding += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distance < fake_radius).any(1))
    return {
        "precision": float((holding > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(holding.mean() / k),
        "coverage": float(np.concatenate(covered).mean()),
    }


def _radii(points, k):
    """(N,) distance from each point to its k-th nearest other point; the nearest of k + 1 is the point itself."""
    return np.concatenate([np.partition(distance, k, axis=1)[:, k] for _, distance in _blocks(points, points)])


def _blocks(x, y):
    x_square, y_square = np.square(x).sum(1)[:, None], np.square(y).sum(1)[None]
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        distance = euclidean_distances(x[rows], y, X_norm_squared=x_square[rows], Y_norm_squared=y_square)
        yield start, distance.astype(np.float32)
