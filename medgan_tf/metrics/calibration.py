"""Accuracy and calibration of a classifier on held-out images."""

import numpy as np
from scipy.special import softmax

from medgan_tf.intervals import bootstrap_weights, percentile_interval, proportion, widen

from .features import extract

BINS = 10
DRAWS = 1000


def probabilities(label_classifier, images):
    """(n, classes): class probabilities of an `ImageSet` or array (n, H, W, 1) by an Extractor with logits."""
    return softmax(extract(label_classifier, images).logits.astype(float), axis=1)


def calibration(label_classifier, image_set, seed=0):
    """How often a classifier is right on real images of unseen patients, and how right it believes it is; a dict.

    image_set: an `ImageSet` with labels and patients. accuracy: value, low, high, n. overconfidence: mean probability
    of the answers minus the proportion that is right. Both have 95% intervals over resampled patients, that of accuracy
    no narrower than Wilson's (1927). expected_calibration_error: the mean distance between the two over ten bins of
    equally many images (Nguyen and O'Connor 2015); its real_vs_real is that of perfectly calibrated probabilities on as
    many images (mean and middle 95% of draws), since the error of few images is never 0. curve: for each bin the mean
    probability, the proportion that is right, and n.
    """
    given, labels, patients = probabilities(label_classifier, image_set), image_set.labels, image_set.patients
    confidence, right = given.max(axis=1), given.argmax(axis=1) == labels
    random = np.random.default_rng(seed)
    weights = bootstrap_weights(patients, DRAWS, random)
    overconfidence, accuracy = (
        percentile_interval(weights @ each / weights.sum(axis=1)) for each in (confidence - right, right)
    )
    perfect = [_error(confidence, random.random(len(confidence)) < confidence) for _ in range(DRAWS)]
    low, high = np.percentile(perfect, [2.5, 97.5])
    n = len(right)
    return {
        "classes": label_classifier.report["classes"],
        "patients": len(np.unique(patients)),
        "accuracy": widen(proportion(right), accuracy),
        "overconfidence": overconfidence | {"n": n},
        "expected_calibration_error": {
            "value": _error(confidence, right),
            "real_vs_real": np.mean(perfect),
            "real_vs_real_low": low,
            "real_vs_real_high": high,
            "n": n,
        },
        "curve": [
            {"probability": confidence[part].mean(), "right": right[part].mean(), "n": len(part)}
            for part in _bins(confidence)
        ],
    }


def _error(confidence, right):
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in _bins(confidence)]
    return sum(gaps) / len(right)


def _bins(confidence):
    return [part for part in np.array_split(np.argsort(confidence), BINS) if len(part)]
