"""The errors of a segmenter on patients with known truth that it never saw, and what it finds in generated images."""

import numpy as np
import pandas as pd

from medgan_tf.intervals import proportion, wilson
from medgan_tf.phantoms.cohort import DIAMETERS, MAX_SPOTS

from .rules import match_nodules, true_nodules
from .truth import CHANNELS

PIXEL = 1 / 64  # of the image's side
SIZES = {"0 to 2": (0, 2), "2 to 3": (2, 3), "3 and more": (3, np.inf)}  # pixels of the segmenter's image


def report(described, covered, truth, masks):
    """The segmenter's errors as a dict of plain numbers.

    described: DataFrame of `PhantomSegmenter.describe`. covered: bool (N, S, S, 6), its maps above a half. truth,
    masks: rows and masks (N, S, S, 6) of the same images. Each proportion has k, n and its 95% interval (Wilson), which
    treats images as independent although a patient has up to four.
    """
    classes, errors = truth["class"].to_numpy(), {}
    for finding, has in _has_finding(described).items():
        found_in = {name: proportion(has[classes == name]) for name in np.unique(classes)}
        specificity = proportion(~has[classes != finding])
        sensitivity = proportion(has[classes == finding])
        errors[finding] = {"sensitivity": sensitivity, "specificity": specificity, "found_in": found_in}
    return {
        "images": len(truth),
        "findings": errors,
        "nodules": _nodule_errors(described, truth, masks.shape[1]),
        "dice": {name: _dice(covered[..., i], masks[..., i] >= 0.5) for i, name in enumerate(CHANNELS[:3])},
        "rules": {rule: proportion(kept.dropna()) for rule, kept in rules_kept(described).items()},
    }


def check_rules(segmenter, images, labels, classes):
    """What a `PhantomSegmenter` finds in images, class by class: {class: {finding or rule: proportion of its images}}.

    images: uint8 (N, H, W, 1). labels: (N,) int into `classes`, the classes that were requested. For each of `findings`
    the proportion of images that have it, which should be high in the requested class only; for each of `rules_kept`
    the proportion that keeps the rule. A proportion has value, low, high (95%, Wilson), k and n.
    """
    described, labels = segmenter.describe(images), np.asarray(labels)
    columns = pd.concat([findings(described), rules_kept(described)], axis=1)
    return {
        name: {column: proportion(columns[column][labels == label].dropna()) for column in columns}
        for label, name in enumerate(classes)
    }


def findings(described):
    """Which of nodule, pneumonia and effusion each image has: bool DataFrame, from `PhantomSegmenter.describe`.

    Lesions count only in images with two lungs: in an image without a chest the segmenter finds many.
    """
    return _has_finding(described).mul(described["lungs"] == 2, axis=0)


def rules_kept(described):
    """Which rules of the phantoms each image keeps: DataFrame of True, False, and NA where a rule does not apply.

    For all images two_lungs and heart_left. For images with two lungs one_finding, as no phantom has two kinds, and
    lesion_number, at most three nodules or patches. For images with nodules lesions_inside and lesion_size: all
    diameters within the phantoms' range, with a tolerance of a pixel at 64 pixels.
    """
    chest, found, (least, most) = described["lungs"] == 2, findings(described), DIAMETERS["nodule"]
    fits = [all(least - PIXEL < size < most + PIXEL for size in sizes) for sizes in described["nodule_sizes"]]
    rules = {
        "two_lungs": (chest, chest | True),
        "heart_left": (described["heart_left"], chest | True),
        "one_finding": (found.sum(axis=1) <= 1, chest),
        "lesion_number": (described[["nodules", "pneumonia"]].max(axis=1) <= MAX_SPOTS, chest),
        "lesions_inside": (described["lesions_inside"], found["nodule"]),
        "lesion_size": (pd.Series(fits, described.index, bool), found["nodule"]),
    }
    return pd.DataFrame({name: kept.astype("boolean").where(applies) for name, (kept, applies) in rules.items()})


def _has_finding(described):
    counts = described[["nodules", "pneumonia", "effusion"]].rename(columns={"nodules": "nodule"})
    return counts.gt(0).astype(bool)


def _nodule_errors(described, truth, image_size):
    """Errors for single nodules: sensitivity by size, precision, errors of their number and diameter (pixels)."""
    sizes, hits, errors, counts = [], [], [], []
    columns = described["nodule_places"], described["nodule_sizes"], truth["lesions"]
    for places, diameters, lesions in zip(*columns, strict=True):
        true = true_nodules(lesions)
        found = np.column_stack([np.reshape(places, (-1, 2)), diameters])
        partner = match_nodules(true, found, image_size)
        hit = partner >= 0
        sizes.append(true[:, 2] * image_size)
        hits.append(hit)
        errors.append((found[partner[hit], 2] - true[hit, 2]) * image_size)
        counts.append(len(found) - len(true))
    sizes, hits, counts = np.concatenate(sizes), np.concatenate(hits), np.array(counts)
    errors = np.abs(np.concatenate(errors))
    bins = {name: proportion(hits[(sizes >= low) & (sizes < high)]) for name, (low, high) in SIZES.items()}
    return {
        "sensitivity": proportion(hits),
        "sensitivity_by_pixels": bins,
        "precision": wilson(hits.sum(), described["nodules"].sum()),
        "count_error": float(np.abs(counts).mean()),  # per image
        "count_bias": float(counts.mean()),
        "diameter_error_pixels": float(np.median(errors)) if len(errors) else None,
    }


def _dice(found, true):
    """Mean Dice coefficient over images of bool masks (N, S, S)."""
    common = (found & true).sum((1, 2))
    return float((2 * common / np.maximum(1, found.sum((1, 2)) + true.sum((1, 2)))).mean())
