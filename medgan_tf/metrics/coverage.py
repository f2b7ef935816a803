"""Precision, recall, density and coverage from nearest-neighbour balls (arXiv 1904.06991 and 2002.09797)."""

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

ROWS = 1024  # rows of a distance matrix held at a time: 1024 x 10,000 float64 are 80 MB


def precision_recall(a_real, b_fake, k=5):
    """Fidelity and diversity of fake features (M, D) against real ones (N, D).

    Every point owns a ball that reaches to its k-th nearest neighbour in its own set.
      precision  share of fakes inside any real ball
      recall     share of reals inside any fake ball
      density    real balls that hold a fake, counted per fake and divided by k: 1 is expected where the sets
                 agree, more where fakes crowd into the densest real places
      coverage   share of real balls that hold any fake
    Kynkaanniemi et al. 2019 (precision, recall), Naeem et al. 2020 (density, coverage; k = 5, equal n). As in
    the authors' `prdc` package a point exactly on a ball's edge is outside, and distances are compared in
    float32. Distances are computed in float64 blocks; no N by N matrix is kept. Returns a dict of floats.
    Raises ValueError where a set has fewer than k + 1 points.
    """
    real, fake = np.asarray(a_real, np.float64), np.asarray(b_fake, np.float64)
    if min(len(real), len(fake)) < k + 1:
        raise ValueError(f"k = {k} neighbours need at least {k + 1} points a side, not {len(real)} and {len(fake)}")
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
    """Distance from each point to its k-th nearest other point; the point itself is the nearest of k + 1."""
    return np.concatenate([np.partition(distance, k, axis=1)[:, k] for _, distance in _blocks(points, points)])


def _blocks(x, y):
    x_square, y_square = np.square(x).sum(1)[:, None], np.square(y).sum(1)[None]
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        distance = euclidean_distances(x[rows], y, X_norm_squared=x_square[rows], Y_norm_squared=y_square)
        yield start, distance.astype(np.float32)
