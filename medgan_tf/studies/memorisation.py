"""Memorisation: does a generator reproduce its training images? Nearest training and held-out images are compared."""

import math

import numpy as np
from scipy import stats

from medgan_tf import metrics
from medgan_tf.intervals import bootstrap, widen, wilson
from medgan_tf.metrics.copies import QUANTILE, neighbours

from .registration import most_similar

BINS = 40
SHOWN = 8


def memorisation(synthetic, train, held_out, extractor, cache=None, seed=0):
    """{"pixels": record, "features": record}: memorisation with two distances between images.

    "pixels" is 1 - correlation after registration (`registration.most_similar`), "features" the Euclidean distance
    between the extractor's features. synthetic: uint8 (S, H, W, 1). train, held_out: datasets.ImageSet.

    A record has copy_rate, the proportion of synthetic images that are closer to a training image than the first
    percentile of held-out distances (Meehan et al. 2020); expected and p_value of `copied_by_chance`;
    nearer_to_training, the proportion nearer to a training than to a held-out image, among equally many of both (0.5 if
    the generator learned only the distribution); patients_copied, how many patients own the copies; and pairs, the most
    suspicious: {synthetic, training (indices), distance}. Intervals are 95%, over synthetic images and held-out
    patients. Raises ValueError where train and held_out share a patient.
    """
    shared = set(train.patients) & set(held_out.patients)
    if shared:
        raise ValueError(f"Patient '{min(shared)}' is in training and among the held-out images: split by patient.")
    some = sample_patients(train.patients, len(held_out), seed)
    pixels = synthetic, train.images, held_out.images
    features = [metrics.extract(extractor, images, cache).features for images in pixels]
    records = {}
    for name, nearest, sets in (("pixels", _registered_distance, pixels), ("features", neighbours, features)):
        made, learned, unseen = sets
        pairs = (made, learned), (unseen, learned), (made, learned[some]), (made, unseen)
        records[name] = _record(*(nearest(*pair) for pair in pairs), train, held_out)
    return records


def sample_patients(patients, images, seed=0):
    """Indices of the images of whole patients, drawn at random until they have about this number of images.

    patients: (N,), the patient of each image. At least one patient is drawn.
    """
    names, owner, counts = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = np.searchsorted(counts[order].cumsum(), images, side="right")
    return np.flatnonzero(np.isin(owner, order[: max(enough, 1)]))


def copied_by_chance(reference, patients, distance):
    """(threshold, expected, p_value) of a copy rate, the proportion of `distance` (n,) below the threshold.

    The threshold is the k-th smallest of the distances in `reference` (m,), k being about 1% of m and at least 1.
    p_value: the probability that new images are below it at least as often as these; expected: how often they are on
    average. Beta-binomial, because the threshold is random too. All images of a patient count as one: conservative.
    """
    ordered, independent = np.sort(reference), len(set(patients))
    rank = max(round(QUANTILE * (len(ordered) + 1)), 1)
    threshold = float(ordered[rank - 1])
    rank = math.ceil(rank * independent / len(ordered))
    fresh = stats.betabinom(len(distance), rank, independent + 1 - rank)
    below = int((distance < threshold).sum())
    return threshold, rank / (independent + 1), float(fresh.sf(below - 1))


def _registered_distance(images, references):
    index, correlation = most_similar(images, references)
    return index, 1 - correlation


def _record(to_training, of_held_out, to_some, to_unseen, train, held_out):
    """The record from (index, distance) of four nearest-neighbour searches."""
    (nearest, distance), reference = to_training, of_held_out[1]
    threshold, expected, p_value = copied_by_chance(reference, held_out.patients, distance)
    copied, each = distance < threshold, np.arange(len(distance))
    quantile = (reference <= threshold).mean() - 0.5 / len(reference)  # half a rank below it, safe against rounding
    rate = bootstrap(
        lambda h, s: float((distance[s] < np.quantile(reference[h], quantile, method="inverted_cdf")).mean()),
        (held_out.patients, each),
    )
    rate = widen(rate, wilson(copied.sum(), len(each)))  # a bootstrap at 0 or 1 has no width
    nearer = (to_some[1] < to_unseen[1]) + 0.5 * (to_some[1] == to_unseen[1])
    proportion = bootstrap(lambda s: float(nearer[s].mean()), (each,))
    edges = np.linspace(0, max(distance.max(), reference.max()), BINS + 1)
    counts = {"synthetic": np.histogram(distance, edges)[0], "held_out": np.histogram(reference, edges)[0]}
    return {
        "copy_rate": rate,
        "expected": expected,
        "p_value": p_value,
        "nearer_to_training": proportion,
        "threshold": threshold,
        "n": len(distance),
        "held_out": len(held_out),
        "held_out_patients": len(set(held_out.patients)),
        "training": len(train),
        "patients_copied": len(set(train.patients[nearest[copied]])),
        "histogram": {"edges": edges} | counts,
        "pairs": [
            {"synthetic": int(index), "training": int(nearest[index]), "distance": float(distance[index])}
            for index in np.argsort(distance)[:SHOWN]
        ],
    }
