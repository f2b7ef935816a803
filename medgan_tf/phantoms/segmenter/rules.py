"""From probability maps to what an image shows: lung regions, side of the heart, number and place of lesions."""

import json

import numpy as np
from scipy import ndimage

from .truth import CHANNELS

COLUMNS = [
    *("lungs", "right_lung_area", "left_lung_area", "heart_left", "nodules", "nodule_sizes", "nodule_places"),
    *("lesions_inside", "pneumonia", "effusion"),
]
COVERED = 0.5  # probability above which a pixel belongs to lung, heart, pneumonia or effusion
SMALLEST_LUNG = 0.01  # fraction of the image area; a smaller region is not a lung
SMALLEST_HEART = 0.01
NEAR_PIXELS = 1.5  # largest distance of a finding from a nodule's centre; the nodule's radius where that is larger
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def describe_maps(maps, thresholds):
    """What one image shows: dict of `COLUMNS` from maps (S, S, 6) in [0, 1] and `choose_thresholds`' thresholds."""
    covered = dict(zip(CHANNELS, np.moveaxis(maps > COVERED, -1, 0), strict=True))
    right, left = covered["right lung"], covered["left lung"]
    found = find_nodules(maps, thresholds["nodule"])
    return {
        "lungs": len(region_areas(right | left, SMALLEST_LUNG)),
        "right_lung_area": float(right.mean()),
        "left_lung_area": float(left.mean()),
        "heart_left": heart_is_left(right, left, covered["heart"]),
        "nodules": len(found),
        "nodule_sizes": (thresholds["nodule_scale"] * found[:, 2]).tolist(),
        "nodule_places": found[:, :2].tolist(),
        "lesions_inside": all_inside(found, right | left),
        "pneumonia": len(region_areas(covered["pneumonia"], thresholds["pneumonia"])),
        "effusion": bool(region_areas(covered["effusion"], thresholds["effusion"])),
    }


def region_areas(mask, smallest=0.0):
    """Areas of the connected regions of a bool mask as fractions of the image; those under `smallest` are left out."""
    regions, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(regions.ravel())[1:] / mask.size
    return sizes[sizes >= smallest].tolist()


def heart_is_left(right, left, heart):
    """Whether the heart's centre lies to the image's right of the middle between the lungs' outer edges.

    False where a lung or the heart is missing.
    """
    if min(right.mean(), left.mean()) < SMALLEST_LUNG or heart.mean() < SMALLEST_HEART:
        return False
    columns = np.flatnonzero((right | left).sum(0) > 1)
    return bool(np.nonzero(heart)[1].mean() > (columns[0] + columns[-1]) / 2)


def find_nodules(maps, level):
    """x, y and diameter, (n, 3) as fractions of the image side, of the regions above `level` in the nodules' map.

    maps: (S, S, 6). The diameter is that of a disc whose area is the sum of the map over the region.
    """
    size, probability = len(maps), maps[..., CHANNELS.index("nodule")]
    regions, _ = ndimage.label(probability > level)

    def total(weights):
        return np.bincount(regions.ravel(), weights.ravel())[1:]

    rows, columns = np.indices(regions.shape) + 0.5
    area = total(probability)
    diameter = 2 * np.sqrt(area / np.pi)
    return np.stack([total(columns * probability) / area, total(rows * probability) / area, diameter], axis=1) / size


def all_inside(found, lungs):
    """Whether the centres of all nodules lie in the lungs' mask, with its holes filled, or within a pixel of it."""
    reach = ndimage.binary_dilation(ndimage.binary_fill_holes(lungs), np.ones((3, 3)))
    columns, rows = (found[:, :2].T * len(lungs)).astype(int).clip(0, len(lungs) - 1)
    return bool(reach[rows, columns].all())


def true_nodules(lesions):
    """x, y and diameter, (n, 3), of the nodules in a truth's JSON list of lesions."""
    return np.array([[o["x"], o["y"], o["size"]] for o in json.loads(lesions) if o["kind"] == "nodule"]).reshape(-1, 3)


def match_nodules(true, found, image_size):
    """For each true nodule the index of its finding, or -1. Pairs are matched one to one, the nearest first."""
    partner = np.full(len(true), -1)
    distance = np.hypot(*(true[:, None, :2] - found[None, :, :2]).transpose(2, 0, 1))
    distance[distance > np.maximum(true[:, 2] / 2, NEAR_PIXELS / image_size)[:, None]] = np.inf
    while distance.size and np.isfinite(distance.min()):
        mine, its = np.unravel_index(distance.argmin(), distance.shape)
        partner[mine], distance[mine], distance[:, its] = its, np.inf, np.inf
    return partner


def choose_thresholds(maps, truth):
    """Choose the thresholds on maps (N, S, S, 6) of patients that the network was not trained on.

    nodule: the level with the best F1 of single nodules. nodule_scale: the median ratio of true to found diameters.
    pneumonia, effusion: the smallest area that counts, with the best sum of sensitivity and specificity.
    """
    true = [true_nodules(lesions) for lesions in truth["lesions"]]

    def matched(level):
        found = [find_nodules(m, level) for m in maps]
        return found, [match_nodules(t, f, maps.shape[1]) for t, f in zip(true, found, strict=True)]

    def f1(level):
        found, partners = matched(level)
        return 2 * sum((p >= 0).sum() for p in partners) / max(1, sum(map(len, true)) + sum(map(len, found)))

    chosen = {"nodule": float(max(LEVELS, key=f1))}
    triples = zip(true, *matched(chosen["nodule"]), strict=True)
    ratios = np.concatenate([t[p >= 0, 2] / f[p[p >= 0], 2] for t, f, p in triples])
    chosen["nodule_scale"] = float(np.median(ratios)) if len(ratios) else 1.0
    for kind in ("pneumonia", "effusion"):
        largest = np.array([max(region_areas(m[..., CHANNELS.index(kind)] > COVERED), default=0) for m in maps])
        chosen[kind] = best_cut(largest, (truth["class"] == kind).to_numpy())
    return chosen


def best_cut(scores, positive):
    """The cut (score >= cut) with the best sum of sensitivity and specificity: the middle of its interval, above 0."""
    values = np.unique(np.append(scores[scores > 0], 1.0))
    gain = [(scores[positive] >= v).mean() + (scores[~positive] < v).mean() for v in values] if positive.any() else [0]
    best = int(np.argmax(gain))
    below = values[best - 1] if best else 0.0
    return float((values[best] + below) / 2)
