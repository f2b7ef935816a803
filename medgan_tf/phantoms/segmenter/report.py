"""How well a reader reads, on patients whose truth is known and that it never saw."""

import numpy as np
import pandas as pd

from medgan_tf.intervals import proportion
from medgan_tf.phantoms.cohort import DIAMETERS, MOST_SPOTS

from .rules import matches, true_nodules
from .truth import CHANNELS

FINDINGS = ("nodule", "pneumonia", "effusion")
PIXEL = 1 / 64  # of the image's side
SIZES = ((0, 2), (2, 3), (3, np.inf))  # pixels of the reader's image


def report(read, covered, truth, masks):
    """The reader's errors as a dict of plain numbers.

    read: DataFrame of `Reader.read`; covered: bool (N, S, S, 6), its maps; truth and masks: rows and masks (N, S, S, 6)
    of the same images. Every share has k, n and its 95 % interval (Wilson), which takes images for independent,
    although a patient has up to four.
    """
    has, errors = _has(read), {}
    for finding in FINDINGS:
        said, classes = has[finding].to_numpy(), truth["class"].to_numpy()
        errors[finding] = {
            "sensitivity": proportion(said[classes == finding]),
            "specificity": proportion(~said[classes != finding]),
            "said_of": {name: proportion(said[classes == name]) for name in np.unique(classes)},
        }
    return {
        "images": len(truth),
        "findings": errors,
        "nodules": _nodules(read, truth, masks.shape[1]),
        "dice": {name: _dice(covered[..., i], masks[..., i] >= 0.5) for i, name in enumerate(CHANNELS[:3])},
        "rules": {rule: proportion(kept.dropna()) for rule, kept in obeyed(read).items()},
    }


def check_rules(reader, images, labels, classes):
    """What a `Reader` finds in images, class by class: {class: {finding or rule: share}}.

    images: uint8 (N, H, W, 1); labels: (N,) int into `classes`, what was asked for. Of `findings` the share of images
    that have it, which is to be there where it was asked for and nowhere else; of `obeyed` the share of images that
    keep the rule. A share has value, low, high (95 %, Wilson), k and n.
    """
    read, labels = reader.read(images), np.asarray(labels)
    columns = pd.concat([findings(read), obeyed(read)], axis=1)
    return {
        name: {column: proportion(columns[column][labels == label].dropna()) for column in columns}
        for label, name in enumerate(classes)
    }


def findings(read):
    """Which of nodule, pneumonia and effusion each image has: bool DataFrame, from that of `Reader.read`.

    Lesions count only in images with two lungs: in something that is no chest the reader sees many.
    """
    return _has(read).mul(read["lungs"] == 2, axis=0)


def obeyed(read):
    """Which rules of the phantoms each image keeps: DataFrame of True, False, and NA where a rule asks for nothing.

    two_lungs, heart_left; of images with two lungs one_finding, as no phantom has two kinds, and lesion_number, at most
    three nodules or patches; of images with nodules lesions_inside and lesion_size, all diameters within the phantoms'
    range and a pixel at 64 pixels.
    """
    chest, found, (least, most) = read["lungs"] == 2, findings(read), DIAMETERS["nodule"]
    fits = [all(least - PIXEL < size < most + PIXEL for size in sizes) for sizes in read["nodule_sizes"]]
    rules = {
        "two_lungs": (chest, chest | True),
        "heart_left": (read["heart_left"], chest | True),
        "one_finding": (found.sum(axis=1) <= 1, chest),
        "lesion_number": (read[["nodules", "pneumonia"]].max(axis=1) <= MOST_SPOTS, chest),
        "lesions_inside": (read["lesions_inside"], found["nodule"]),
        "lesion_size": (pd.Series(fits, read.index, bool), found["nodule"]),
    }
    return pd.DataFrame({name: kept.astype("boolean").where(asked) for name, (kept, asked) in rules.items()})


def _has(read):
    has = {"nodule": read["nodules"] > 0, "pneumonia": read["pneumonia"] > 0, "effusion": read["effusion"]}
    return pd.DataFrame(has, dtype=bool)


def _nodules(read, truth, image_size):
    """Single nodules: sensitivity by size, precision, and errors of their number and diameter (pixels)."""
    sizes, hits, errors, true_found, counts = [], [], [], 0, []
    for places, diameters, lesions in zip(read["nodule_places"], read["nodule_sizes"], truth["lesions"], strict=True):
        true = true_nodules(lesions)
        found = np.column_stack([np.reshape(places, (-1, 2)), diameters])
        partner = matches(true, found, image_size)
        hit = partner >= 0
        sizes.append(true[:, 2] * image_size)
        hits.append(hit)
        errors.append((found[partner[hit], 2] - true[hit, 2]) * image_size)
        true_found += int(hit.sum())
        counts.append(len(found) - len(true))
    sizes, hits, counts = np.concatenate(sizes), np.concatenate(hits), np.array(counts)
    errors = np.abs(np.concatenate(errors))
    total = int(read["nodules"].sum())
    return {
        "sensitivity": proportion(hits),
        "sensitivity_by_pixels": {
            f"{low} to {high}" if np.isfinite(high) else f"{low} and more": proportion(
                hits[(sizes >= low) & (sizes < high)]
            )
            for low, high in SIZES
        },
        "precision": proportion(np.arange(total) < true_found),
        "count_error": float(np.abs(counts).mean()),  # per image
        "count_bias": float(counts.mean()),
        "diameter_error_pixels": float(np.median(errors)) if len(errors) else None,
    }


def _dice(found, true):
    """Mean over images of the Dice coefficient of bool masks (N, S, S)."""
    common = (found & true).sum((1, 2))
    return float((2 * common / np.maximum(1, found.sum((1, 2)) + true.sum((1, 2)))).mean())
