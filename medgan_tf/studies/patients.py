"""Resampling by patient: images of one patient are not independent, so patients are drawn, not images."""

import numpy as np
from scipy import stats


def bootstrap(statistic, groups, repeats=500, seed=0):
    """(value, low, high): statistic(*indices) with its 95% percentile interval over resampled patients.

    groups: for each set of images the patient of each image (n,); statistic takes as many index arrays. Patients are
    drawn with replacement within each set (the cluster bootstrap of Davison and Hinkley 1997, section 3.8).
    """
    generator = np.random.default_rng(seed)
    owners = [np.unique(patients, return_inverse=True)[1] for patients in groups]
    drawn = [statistic(*(_draw(owner, generator) for owner in owners)) for _ in range(repeats)]
    value = statistic(*(np.arange(len(patients)) for patients in groups))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(value), float(min(low, value)), float(max(high, value))


def of_share(interval, n):
    """The bootstrap's (value, low, high) of a share, no narrower than Wilson's of n independent ones.

    At 0 and 1 the bootstrap has no width.
    """
    value, low, high = interval
    wilson = stats.binomtest(round(value * n), n).proportion_ci(method="wilson")
    return value, min(low, float(wilson.low)), max(high, float(wilson.high))


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


def _draw(owner, generator):
    """Indices of the images of as many patients as there are, drawn with replacement; owner: (n,)."""
    count = owner.max() + 1
    times = np.bincount(generator.integers(count, size=count), minlength=count)
    return np.repeat(np.arange(len(owner)), times[owner])
