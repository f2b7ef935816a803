"""Does a generator give back its training images?"""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

QUANTILE = 0.01


def nearest(features, training):
    """(N,) Euclidean distance of each row of features (N, D) to its nearest row of training (T, D), in chunks."""
    return neighbours(features, training)[1]


def neighbours(features, training):
    """(which row of training (T, D) is nearest (N,) int, its Euclidean distance (N,)) for each row of features (N,
    D).
    """
    return pairwise_distances_argmin_min(features, training)


def nearest_pairs(features, training, count):
    """The `count` rows of features (N, D) that lie nearest to a row of training (T, D), nearest first.

    Returns (count,) arrays: their indices, those of their nearest training rows, and the distances.
    """
    partner, distance = pairwise_distances_argmin_min(features, training)
    order = np.argsort(distance, kind="stable")[:count]
    return order, partner[order], distance[order]


def copies(held_out, other):
    """Share, 0 to 1, of `other` (M,) nearer to a training image than all but the nearest 1% of held-out real images.

    Both are distances from `nearest`. About 0.01 is expected of fresh real images, since these were not copied
    either; more means that images are nearer to the training set than independent ones of its kind are. The held-out
    images must share no patient with the training set. The threshold from held-out images is that of Meehan et al.
    2020 (arXiv 2004.05675) in its plainest form. It bounds copies that the features can see, and no other leak.
    """
    return float((other < np.quantile(held_out, QUANTILE)).mean())
