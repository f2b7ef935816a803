"""Can a classifier's probabilities be believed? Its accuracy and calibration on held-out images."""

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest

from .features import extract

BINS = 10
DRAWS = 1000


def probabilities(judge, images):
    """(n, classes): what an Extractor with logits gives images (n, H, W, 1)."""
    return softmax(extract(judge, images).logits.astype(float), axis=1)


def calibration(judge, images, labels, patients, seed=0):
    """{"accuracy", "expected_calibration_error", "curve"} of a judge on real images of patients it has not seen.

    accuracy: value, low, high (Wilson 1927), n. expected_calibration_error: the mean distance between the probability
    of the answer and how often such answers are right, over ten bins of equally many images (Nguyen and O'Connor 2015),
    with a 95% interval over resampled patients; it is somewhat above 0 even where probabilities are perfect, the more
    so the fewer the images. curve: for each bin mean probability, share right and n.
    """
    given, labels, patients = probabilities(judge, images), np.asarray(labels), np.asarray(patients)
    confidence, right = given.max(axis=1), given.argmax(axis=1) == labels
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    names, members = np.unique(patients, return_inverse=True)
    random = np.random.default_rng(seed)
    errors = []
    for _ in range(DRAWS):
        times = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        drawn = np.repeat(np.arange(len(right)), times[members])
        errors.append(_error(confidence[drawn], right[drawn]))
    low, high = np.percentile(errors, [2.5, 97.5])
    return {
        "classes": judge.report["classes"],
        "patients": len(names),
        "accuracy": {"value": right.mean(), "low": interval.low, "high": interval.high, "n": len(right)},
        "expected_calibration_error": {"value": _error(confidence, right), "low": low, "high": high, "n": len(right)},
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
