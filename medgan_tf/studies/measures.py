"""How good a classifier is on a test set, under many weightings of its images at once.

The bootstrap needs each measure some thousand times, which one call of scikit-learn a resample is too slow for. The
tests hold every measure against scikit-learn's with the same sample weights.
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
    """(C,) thresholds: of each class's probability, the lowest above which `specificity` of the others do not lie.

    logits (N, C), labels (N,): of the validation split. NaN for a class that all or no images are of.
    """
    scores = softmax(logits.astype(float), axis=1)
    others = [scores[labels != label, label] for label in range(scores.shape[1])]
    return np.array([np.quantile(score, specificity, method="higher") if len(score) else np.nan for score in others])


def measure(logits, labels, thresholds, weights):
    """{measure: (B, C + 1)}: of each class against the others, and last the mean over classes, in which each counts
    alike.

    logits (N, C); labels (N,); thresholds (C,) from `operating_points`; weights (B, N), each row a resample (how often
    each image was drawn). "auroc" and "auprc" (average precision) of the class's probability; "sensitivity" and
    "specificity" at its threshold. Balanced accuracy and the calibration error are of the most probable class: by class
    the share that is right among its images, and for the error NaN. The error is Guo et al.'s (2017), 15 bins of equal
    width, and too high in small sets. NaN where a class has no weight; such classes do not count in the mean.
    """
    scores = softmax(logits.astype(float), axis=1)
    answers = scores.argmax(axis=1)
    found = {name: [] for name in MEASURES}
    with np.errstate(invalid="ignore"):
        for label in range(scores.shape[1]):
            score, is_class = scores[:, label], labels == label
            auroc, auprc = ranking(score, is_class, weights)
            above = score > thresholds[label]
            found["auroc"].append(auroc)
            found["auprc"].append(auprc)
            found["balanced_accuracy"].append(proportion(answers == label, is_class, weights))
            found["sensitivity"].append(proportion(above, is_class, weights))
            found["specificity"].append(proportion(~above, ~is_class, weights))
        calibration = calibration_error(scores.max(axis=1), answers == labels, weights)
    table = {}
    for name, columns in found.items():
        by_class = np.stack(columns, axis=1) if columns else np.full((len(weights), scores.shape[1]), np.nan)
        total = calibration if name == "calibration_error" else mean(by_class)
        table[name] = np.column_stack([by_class, total])
    return table


def ranking(scores, positive, weights):
    """(AUROC (B,), average precision (B,)) of scores (N,); equal scores count as scikit-learn counts them."""
    of_class, others = scores[positive], scores[~positive]
    won = (of_class[:, None] > others) + 0.5 * (of_class[:, None] == others).astype(np.float32)
    drawn, drawn_others = weights[:, positive], weights[:, ~positive]
    total = drawn.sum(axis=1)
    area = (drawn @ won * drawn_others).sum(axis=1) / (total * drawn_others.sum(axis=1))
    above = (scores[:, None] >= of_class).astype(np.float32)  # (N, P): in front of each image of the class, or level
    precision = drawn @ above[positive] / np.maximum(weights @ above, 1)
    return area, (drawn * precision).sum(axis=1) / total


def proportion(right, among, weights):
    """(B,): the weighted share of `among` (N,) that is `right` (N,)."""
    return weights @ (right & among) / (weights @ among)


def mean(by_class):
    """(B,) of (B, C), NaN left out."""
    known = np.isfinite(by_class)
    return np.where(known, by_class, 0).sum(axis=1) / known.sum(axis=1)


def calibration_error(confidence, right, weights):
    """(B,): the mean over images of how far confidence and share of right answers are apart in their bin."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(right), BINS))
    gaps[np.arange(len(right)), bins] = right - confidence
    return np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1)
