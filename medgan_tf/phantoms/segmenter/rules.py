"""From the reader's maps to what an image shows: regions of lung, side of the heart, number and place of lesions."""

import json

import numpy as np
from scipy import ndimage

from .truth import CHANNELS

COLUMNS = [
    *("lungs", "right_lung_area", "left_lung_area", "heart_left", "nodules", "nodule_sizes", "nodule_places"),
    *("lesions_inside", "pneumonia", "effusion"),
]
COVERED = 0.5  # of a map, from which a pixel belongs to lung, heart, pneumonia or effusion
SMALLEST_LUNG = 0.01  # share of the image; a smaller region is no lung
SMALLEST_HEART = 0.01
NEAR_PIXELS = 1.5  # how far from a nodule's centre its finding may lie, or its radius where that is larger
LEVELS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def describe(maps, thresholds):
    """Maps (S, S, 6) in [0, 1] -> dict of `COLUMNS`; `thresholds` are those of `choose_thresholds`."""
    covered = dict(zip(CHANNELS, np.moveaxis(maps > COVERED, -1, 0), strict=True))
    right, left = covered["right lung"], covered["left lung"]
    found = nodules(maps, thresholds["nodule"])
    return {
        "lungs": len(areas(right | left, SMALLEST_LUNG)),
        "right_lung_area": float(right.mean()),
        "left_lung_area": float(left.mean()),
        "heart_left": heart_is_left(right, left, covered["heart"]),
        "nodules": len(found),
        "nodule_sizes": (thresholds["nodule_scale"] * found[:, 2]).tolist(),
        "nodule_places": found[:, :2].tolist(),
        "lesions_inside": all_inside(found, right | left),
        "pneumonia": len(areas(covered["pneumonia"], thresholds["pneumonia"])),
        "effusion": bool(areas(covered["effusion"], thresholds["effusion"])),
    }


def areas(mask, smallest=0.0):
    """The areas of the connected regions of a bool mask, as shares of the image, that are `smallest` or more."""
    from skimage.measure import label

    sizes = np.bincount(label(mask).ravel())[1:] / mask.size
    return sizes[sizes >= smallest].tolist()


def heart_is_left(right, left, heart):
    """Whether the heart's centre lies on the image's right of the middle between the lungs' outer edges.

    False where a lung or the heart is missing.
    """
    if min(right.mean(), left.mean()) < SMALLEST_LUNG or heart.mean() < SMALLEST_HEART:
        return False
    columns = np.flatnonzero((right | left).sum(0) > 1)
    return bool(np.nonzero(heart)[1].mean() > (columns[0] + columns[-1]) / 2)


def nodules(maps, level):
    """Regions of the nodules' map above `level` -> (n, 3): x, y and diameter, as shares of the image's side.

    The diameter is that of a disc whose area is the region's sum of the map.
    """
    from skimage.measure import label

    size, probability = len(maps), maps[..., CHANNELS.index("nodule")]
    regions = label(probability > level, connectivity=1)

    def total(weights):
        return np.bincount(regions.ravel(), weights.ravel())[1:]

    rows, columns = np.indices(regions.shape) + 0.5
    area = total(probability)
    return np.stack([total(columns * probability) / area, total(rows * probability) / area, disc(area)], axis=1) / size


def disc(area):
    """The diameter of a disc of this area."""
    return 2 * np.sqrt(area / np.pi)


def all_inside(found, lungs):
    """Whether all nodules' centres lie in the mask of the lungs, its holes filled, or within a pixel of it."""
    reach = ndimage.binary_dilation(ndimage.binary_fill_holes(lungs), np.ones((3, 3)))
    columns, rows = (found[:, :2].T * len(lungs)).astype(int).clip(0, len(lungs) - 1)
    return bool(reach[rows, columns].all())


def true_nodules(lesions):
    """A truth's JSON of lesions -> (n, 3): x, y and diameter of the nodules."""
    return np.array([[o["x"], o["y"], o["size"]] for o in json.loads(lesions) if o["kind"] == "nodule"]).reshape(-1, 3)


def matches(true, found, image_size):
    """For every true nodule the index of its finding, or -1; each finding serves one, nearest pairs first."""
    partner = np.full(len(true), -1)
    distance = np.hypot(*(true[:, None, :2] - found[None, :, :2]).transpose(2, 0, 1))
    distance[distance > np.maximum(true[:, 2] / 2, NEAR_PIXELS / image_size)[:, None]] = np.inf
    while distance.size and np.isfinite(distance.min()):
        mine, its = np.unravel_index(distance.argmin(), distance.shape)
        partner[mine], distance[mine], distance[:, its] = its, np.inf, np.inf
    return partner


def choose_thresholds(maps, truth):
    """The thresholds by rule, from maps (N, S, S, 6) of patients that did not teach the network.

    nodule: the level with the best F1 of single nodules. nodule_scale: the median ratio of true to found diameters.
    pneumonia and effusion: the smallest area that counts, with the best sum of sensitivity and specificity.
    """
    true = [true_nodules(lesions) for lesions in truth["lesions"]]

    def matched(level):
        found = [nodules(m, level) for m in maps]
        return found, [matches(t, f, maps.shape[1]) for t, f in zip(true, found, strict=True)]

    def f1(level):
        found, partners = matched(level)
        return 2 * sum((p >= 0).sum() for p in partners) / max(1, sum(map(len, true)) + sum(map(len, found)))

    chosen = {"nodule": float(max(LEVELS, key=f1))}
    triples = zip(true, *matched(chosen["nodule"]), strict=True)
    ratios = [t[p >= 0, 2] / f[p[p >= 0], 2] for t, f, p in triples]
    ratios = np.concatenate(ratios)
    chosen["nodule_scale"] = float(np.median(ratios)) if len(ratios) else 1.0
    for kind in ("pneumonia", "effusion"):
        largest = np.array([max(areas(m[..., CHANNELS.index(kind)] > COVERED), default=0) for m in maps])
        chosen[kind] = best_cut(largest, (truth["class"] == kind).to_numpy())
    return chosen


def best_cut(scores, positive):
    """The middle of the cuts (score >= cut) with the best sum of sensitivity and specificity, above 0."""
    values = np.unique(np.append(scores[scores > 0], 1.0))
    gain = [(scores[positive] >= v).mean() + (scores[~positive] < v).mean() for v in values] if positive.any() else [0]
    best = int(np.argmax(gain))
    below = values[best - 1] if best else 0.0
    return float((values[best] + below) / 2)
