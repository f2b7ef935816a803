"""Measures of a classifier on a test set, computed for many weightings of its images at once.

The bootstrap needs each measure a thousand times, for which one call of scikit-learn for each resample is too slow. The
tests compare every measure with that of scikit-learn with the same sample weights.
"""

import numpy as np
from scipy.special import softmax

BINS = 15
MEASURES = {  # name: which direction is better
    "auroc": "higher",
    "auprc": "higher",
    "balanced_accuracy": "higher",
    "sensitivity": "higher",
    "specificity": "higher",
    "calibration_error": "lower",
}


def operating_points(logits, labels, specificity):
    """(C,) thresholds: for each class's probability, the lowest at which `specificity` of the other images is reached.

    logits (N, C), labels (N,): of the validation split. NaN for a class that all or no images are of.
    """
    scores = softmax(logits.astype(float), axis=1)
    others = [scores[labels != label, label] for label in range(scores.shape[1])]
    return np.array([np.quantile(score, specificity, method="higher") if len(score) else np.nan for score in others])


def measure_classifier(logits, labels, thresholds, weights):
    """{measure: (B, C + 1)}: each class against the others, and in the last column their unweighted mean.

    logits (N, C); labels (N,); thresholds (C,) from `operating_points`; weights (B, N), each row a resample (how often
    each image was drawn). "auroc" and "auprc" (average precision) of the class's probability; "sensitivity" and
    "specificity" at its threshold. Balanced accuracy and the calibration error use the most probable class: for each
    class the proportion of its images that is right, and NaN for the error. The error is that of Guo et al. (2017) with
    15 bins of equal width, which is biased upwards in small sets. NaN where a class has no weight; the mean leaves such
    classes out.
    """
    scores = softmax(logits.astype(float), axis=1)
    answers = scores.argmax(axis=1)
    found = []
    with np.errstate(invalid="ignore"):
        for label in range(scores.shape[1]):
            score, is_class = scores[:, label], labels == label
            above = score > thresholds[label]
            pairs = (answers == label, is_class), (above, is_class), (~above, ~is_class)
            proportions = [weights @ (right & among) / (weights @ among) for right, among in pairs]
            found.append([*auroc_and_average_precision(score, is_class, weights), *proportions])
    by_class = dict(zip(MEASURES, np.moveaxis(found, 0, -1), strict=False))  # each (B, C)
    means = {name: np.ma.masked_invalid(columns).mean(axis=1).filled(np.nan) for name, columns in by_class.items()}
    table = {name: np.column_stack([columns, means[name]]) for name, columns in by_class.items()}
    error = calibration_error(scores.max(axis=1), answers == labels, weights)
    table["calibration_error"] = np.column_stack([np.full((len(weights), scores.shape[1]), np.nan), error])
    return table


def auroc_and_average_precision(scores, positive, weights):
    """(AUROC (B,), average precision (B,)) of scores (N,); ties are treated as in scikit-learn."""
    of_class, others = scores[positive], scores[~positive]
    won = (of_class[:, None] > others) + 0.5 * (of_class[:, None] == others).astype(np.float32)
    drawn, drawn_others = weights[:, positive], weights[:, ~positive]
    total = drawn.sum(axis=1)
    area = (drawn @ won * drawn_others).sum(axis=1) / (total * drawn_others.sum(axis=1))
    above = (scores[:, None] >= of_class).astype(np.float32)  # (N, P): ranked no lower than each image of the class
    precision = drawn @ above[positive] / np.maximum(weights @ above, 1)
    return area, (drawn * precision).sum(axis=1) / total


def calibration_error(confidence, right, weights):
    """(B,): the mean over images of the distance between confidence and accuracy in their bin."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(right), BINS))
    gaps[np.arange(len(right)), bins] = right - confidence
    return np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
