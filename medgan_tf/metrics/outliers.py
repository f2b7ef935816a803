"""How far an image lies from the real ones: an outlier score against held-out real images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from medgan_tf.intervals import proportion

from .features import extract

NEIGHBOURS = 5
COMMON = 0.95  # scores above are beyond what is common
FILE = "outliers.npz"


class Reference(NamedTuple):
    """What images are held against: features of real images, and how far other real ones lie from them."""

    features: np.ndarray  # (T, D) float32, of training images
    held_out: np.ndarray  # (H,) rising distances of held-out images
    weights_sha256: str  # of the extractor


def outlier_reference(extractor, training, held_out):
    """The `Reference` of an Extractor and two sets of real images (N, H, W, 1) that share no patient."""
    learned, others = (extract(extractor, images).features for images in (training, held_out))
    return Reference(learned, np.sort(_distances(learned, others)), extractor.weights_sha256)


def outlier_scores(reference, features):
    """(n,) in 0 to 1: the share of held-out real images that lie nearer to the real training images.

    0.5 is as ordinary as a real image; 0.99 is farther out than 99 in 100 of them. Near is the distance to the fifth
    nearest of the training images in features (n, D), with which outliers were found best among many methods (Campos et
    al. 2016, k-nearest neighbours). The score knows what the features see and nothing else; a low one is no sign that
    a picture is right.
    """
    return np.searchsorted(reference.held_out, _distances(reference.features, features)) / len(reference.held_out)


def outlier_record(scores):
    """Of scores (n,): their median, and the share above 0.95, 0.05 for real images: value, low, high (Wilson), n."""
    return {"median": np.median(scores)} | proportion(scores > COMMON)


def save_reference(reference, folder):
    """Write the reference into a folder. The features are those of real images: keep them where those are."""
    np.savez(Path(folder) / FILE, **reference._asdict())


def load_reference(folder, extractor):
    """The reference in a folder, None where there is none or it was made with other features."""
    path = Path(folder) / FILE
    if not path.exists():
        return None
    with np.load(path) as stored:
        loaded = Reference(stored["features"], stored["held_out"], str(stored["weights_sha256"]))
    return loaded if loaded.weights_sha256 == extractor.weights_sha256 else None


def _distances(learned, features):
    neighbours = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(learned))).fit(learned)
    return neighbours.kneighbors(features)[0][:, -1]
