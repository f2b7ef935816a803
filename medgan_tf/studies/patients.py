"""Resampling by patient: images of one patient are not independent, so patients are drawn, not images."""

import numpy as np


def bootstrap(statistic, groups, repeats=1000, seed=0):
    """(value, low, high): statistic(*indices) with its 95% percentile interval over resampled patients.

    groups: for each set of images the patient of each image (n,); statistic takes as many index arrays. Patients are
    drawn with replacement within each set (the cluster bootstrap of Davison and Hinkley 1997, section 3.8).
    """
    generator = np.random.default_rng(seed)
    members = [_members(patients) for patients in groups]
    drawn = [statistic(*(_draw(images, generator) for images in members)) for _ in range(repeats)]
    value = statistic(*(np.arange(len(patients)) for patients in groups))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(value), float(min(low, value)), float(max(high, value))


def halves(patients, seed=0):
    """Two index arrays of whole patients, about equal in images. Raises ValueError for a single patient."""
    names, owner = np.unique(patients, return_inverse=True)
    if len(names) < 2:
        raise ValueError("One patient cannot be cut into halves; give more.")
    order = np.random.default_rng(seed).permutation(len(names))
    counted = np.bincount(owner)[order].cumsum()
    first = order[: 1 + np.abs(counted[:-1] - counted[-1] / 2).argmin()]
    return np.flatnonzero(np.isin(owner, first)), np.flatnonzero(~np.isin(owner, first))


def some(patients, images, seed=0):
    """Indices of whole patients, drawn at random until there are about this many images."""
    names, owner, counts = np.unique(patients, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = np.searchsorted(counts[order].cumsum(), images, side="right")
    return np.flatnonzero(np.isin(owner, order[: max(enough, 1)]))


def _members(patients):
    """The images of each patient, a list of index arrays."""
    owner = np.unique(patients, return_inverse=True)[1]
    order = np.argsort(owner, kind="stable")
    return np.split(order, np.cumsum(np.bincount(owner))[:-1])


def _draw(images, generator):
    return np.concatenate([images[index] for index in generator.integers(len(images), size=len(images))])
