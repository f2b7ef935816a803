"""Outlier scores: how far an image is from real training images, compared with held-out real images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from medgan_tf.intervals import proportion

from .features import extract

NEIGHBOURS = 5
COMMON = 0.95  # images with a higher score count as outliers
FILE = "outliers.npz"


class Reference(NamedTuple):
    """What images are compared with: features of real images, and the distances of other real images to them."""

    features: np.ndarray  # (T, D) float32, of training images
    held_out: np.ndarray  # (H,) sorted distances of held-out images
    weights_sha256: str  # of the extractor


def outlier_reference(extractor, training, held_out):
    """The `Reference` of an Extractor and two real `ImageSet`s or arrays (N, H, W, C) without a common patient."""
    learned, others = (extract(extractor, images).features for images in (training, held_out))
    return Reference(learned, np.sort(_distances(learned, others)), extractor.weights_sha256)


def outlier_scores(reference, features):
    """(n,) scores from 0 to 1: the proportion of held-out real images closer to the real training images.

    0.5 is as ordinary as a real image; 0.99 is farther away than 99 in 100 of them. The distance is that to the fifth
    nearest training image in features (n, D), which found outliers best among many methods (Campos et al. 2016,
    k-nearest neighbours). The score depends on what the features see; a low one does not mean that an image is right.
    """
    return np.searchsorted(reference.held_out, _distances(reference.features, features)) / len(reference.held_out)


def outlier_record(scores):
    """Median of scores (n,), and the `proportion` above 0.95, which is 0.05 for real images."""
    return {"median": np.median(scores)} | proportion(scores > COMMON)


def save_reference(reference, folder):
    """Write the reference into a folder. It holds features of real images: keep it where these may be kept."""
    np.savez(Path(folder) / FILE, **reference._asdict())


def load_reference(folder, extractor):
    """The reference in a folder; None if there is none or it was made with other features."""
    path = Path(folder) / FILE
    if not path.exists():
        return None
    with np.load(path) as stored:
        loaded = Reference(stored["features"], stored["held_out"], str(stored["weights_sha256"]))
    return loaded if loaded.weights_sha256 == extractor.weights_sha256 else None


def _distances(learned, features):
    neighbours = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(learned))).fit(learned)
    return neighbours.kneighbors(features)[0][:, -1]
