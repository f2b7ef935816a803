"""Can a classifier's probabilities be believed? Its accuracy and calibration on held-out images."""

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest

from .features import extract

BINS = 10
DRAWS = 1000


def probabilities(label_classifier, images):
    """(n, classes): what an Extractor with logits gives images (n, H, W, 1)."""
    return softmax(extract(label_classifier, images).logits.astype(float), axis=1)


def calibration(label_classifier, images, labels, patients, seed=0):
    """How right a judge is on real images of patients it has not seen, and how right it thinks it is; a dict.

    accuracy: value, low, high, n. overconfidence: mean probability of the answers less the share that is right. Both
    with 95% intervals over resampled patients, that of accuracy no narrower than Wilson's (1927).
    expected_calibration_error: the mean distance between the two over ten bins of equally many images (Nguyen and
    O'Connor 2015), with its floor, which is that of probabilities that are perfectly right on as many images (mean and
    middle 95% of draws): the error of few images is never 0. curve:
    for each bin mean probability, share right and n.
    """
    given, labels, patients = probabilities(label_classifier, images), np.asarray(labels), np.asarray(patients)
    confidence, right = given.max(axis=1), given.argmax(axis=1) == labels
    wilson = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    random = np.random.default_rng(seed)
    names, members = np.unique(patients, return_inverse=True)
    times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)[:, members]  # (draws, n)
    over, accuracy = (
        np.percentile(times @ each / times.sum(axis=1), [2.5, 97.5]) for each in (confidence - right, right)
    )
    perfect = [_error(confidence, random.random(len(confidence)) < confidence) for _ in range(DRAWS)]
    low, high = np.percentile(perfect, [2.5, 97.5])
    n = len(right)
    return {
        "classes": label_classifier.report["classes"],
        "patients": len(names),
        "accuracy": {
            "value": right.mean(),
            "low": min(accuracy[0], wilson.low),
            "high": max(accuracy[1], wilson.high),
            "n": n,
        },
        "overconfidence": {"value": (confidence - right).mean(), "low": over[0], "high": over[1], "n": n},
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
