"""How well a reader reads, on patients whose truth is known and that it never saw."""

import numpy as np

from .reader_rules import matches, true_nodules
from .reader_truth import CHANNELS

FINDINGS = ("nodule", "pneumonia", "effusion")
SIZES = ((0, 2), (2, 3), (3, np.inf))  # pixels of the reader's image


def report(read, covered, truth, masks):
    """The reader's errors as a dict of plain numbers.

    read: DataFrame of `Reader.read`; covered: bool (N, S, S, 6), its maps; truth and masks: rows and masks (N, S, S, 6)
    of the same images. Every share has k, n and its 95 % interval (Wilson), which takes images for independent,
    although a patient has up to four.
    """
    has, findings = _has(read), {}
    for finding in FINDINGS:
        said, classes = has[finding].to_numpy(), truth["class"].to_numpy()
        findings[finding] = {
            "sensitivity": share(said[classes == finding]),
            "specificity": share(~said[classes != finding]),
            "said_of": {name: share(said[classes == name]) for name in np.unique(classes)},
        }
    with_nodules = read["nodules"] > 0
    return {
        "images": len(truth),
        "findings": findings,
        "nodules": _nodules(read, truth, masks.shape[1]),
        "dice": {name: _dice(covered[..., i], masks[..., i] >= 0.5) for i, name in enumerate(CHANNELS[:3])},
        "rules": {
            "two_lungs": share(read["lungs"] == 2),
            "heart_left": share(read["heart_left"]),
            "lesions_inside": share(read["lesions_inside"][with_nodules]),
        },
    }


def check_rules(reader, images, labels, classes):
    """What a `Reader` finds in images, class by class: {class: {finding or rule: share}}.

    images: uint8 (N, H, W, 1); labels: (N,) int into `classes`, what was asked for. Findings: nodule, pneumonia and
    effusion, which are to be there where they were asked for and nowhere else. Rules: two_lungs, heart_left and, of
    images with a nodule, lesions_inside. A share has value, low, high (95 %, Wilson), k and n. Lesions count only in
    images with two lungs: in something that is no chest the reader sees many.
    """
    read, labels = reader.read(images), np.asarray(labels)
    chest = (read["lungs"] == 2).to_numpy()
    found = {name: has.to_numpy() & chest for name, has in _has(read).items()}
    records = {}
    for label, name in enumerate(classes):
        own = labels == label
        records[name] = {finding: share(has[own]) for finding, has in found.items()}
        records[name]["two_lungs"] = share(chest[own])
        records[name]["heart_left"] = share(read["heart_left"][own])
        records[name]["lesions_inside"] = share(read["lesions_inside"][own & found["nodule"]])
    return records


def _has(read):
    return {"nodule": read["nodules"] > 0, "pneumonia": read["pneumonia"] > 0, "effusion": read["effusion"]}


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
        "sensitivity": share(hits),
        "sensitivity_by_pixels": {
            f"{low} to {high}" if np.isfinite(high) else f"{low} and more": share(hits[(sizes >= low) & (sizes < high)])
            for low, high in SIZES
        },
        "precision": share(np.arange(total) < true_found),
        "count_error": float(np.abs(counts).mean()),  # per image
        "count_bias": float(counts.mean()),
        "diameter_error_pixels": float(np.median(errors)) if len(errors) else None,
    }


def _dice(found, true):
    """Mean over images of the Dice coefficient of bool masks (N, S, S)."""
    common = (found & true).sum((1, 2))
    return float((2 * common / np.maximum(1, found.sum((1, 2)) + true.sum((1, 2)))).mean())


def share(hits):
    """Share of true values with k, n and the bounds of its Wilson 95 % interval; None where there is nothing."""
    from scipy.stats import binomtest

    k, n = int(np.sum(hits)), len(hits)
    if n == 0:
        return {"value": None, "low": None, "high": None, "k": 0, "n": 0}
    low, high = binomtest(k, n).proportion_ci(method="wilson")
    return {"value": k / n, "low": float(low), "high": float(high), "k": k, "n": n}
