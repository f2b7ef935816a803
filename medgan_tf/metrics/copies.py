"""Does a generator reproduce its training images?"""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

from medgan_tf.datasets import match_encoding, read_images

from .features import extract

QUANTILE = 0.01


def nearest(features, training):
    """(N,) Euclidean distance of each row of features (N, D) to its nearest row of training (T, D), in chunks."""
    return neighbours(features, training)[1]


def neighbours(features, training):
    """(index (N,), Euclidean distance (N,)) of the row of training (T, D) nearest to each row of features (N, D)."""
    return pairwise_distances_argmin_min(features, training)


def nearest_pairs(images, training, features, count, cache=None):
    """The `count` images that are nearest to a training image in the features of an Extractor, nearest first.

    images, training: `ImageSet`s or arrays, which get the same encoding before they are compared. Returns (count,)
    arrays: indices of the images, indices of their nearest training images, and Euclidean distances.
    """
    sets = match_encoding(read_images(images), read_images(training))
    partner, distance = neighbours(*(extract(features, each, cache).features for each in sets))
    order = np.argsort(distance, kind="stable")[:count]
    return order, partner[order], distance[order]


def copies(held_out, other):
    """Proportion of images closer to a training image than the first percentile of held-out real images.

    held_out (N,), other (M,): distances from `nearest`. About 0.01 is expected of fresh real images, which are no
    copies either; more means that the images are closer to the training set than independent images are. The held-out
    images must share no patient with the training set. This is the test of Meehan et al. 2020 (arXiv 2004.05675) in
    its simplest form. It detects copies that the features can see, and no other leak.
    """
    return float((other < np.quantile(held_out, QUANTILE)).mean())
