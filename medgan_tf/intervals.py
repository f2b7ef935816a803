"""Resampling by patient and 95% intervals: half-splits, bootstrap, Wilson's interval and Holm's correction.

In simulated studies (tests/test_metrics.py: 200 patients with one image, and 60 with four similar ones) 90 to 98% of
the intervals of `half_split_interval` contain the truth. For the kernel distance, the Frechet distance at infinite n
and the distances of intensities and of power spectra, that is the value for infinitely many images; for the others, the
expected value at the n of the record, since the intervals do not include the bias of a finite n. Not simulated: real
against real images, classes with fewer patients, features that are not Gaussian. tests/test_agreement.py does the same
for label agreement.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests


class TooFewError(ValueError):
    """There are too few patients or images for the measurement."""


@dataclass(frozen=True)
class Draw:
    """Indices of one half-split, n each: two sets of real images without a common patient, two of synthetic images."""

    reference: np.ndarray
    other: np.ndarray
    fake: np.ndarray
    other_fake: np.ndarray


def draw_halves(patients, fakes, repeats=20, seed=0):
    """Draw repeated half-splits of the real images, by patient, and of the synthetic images.

    patients: (N,), the patient of each real image. fakes: the number of synthetic images. Returns a list of `Draw`,
    each with n images a part, the largest number that all allow. A metric is computed as metric(reference, fake) and
    metric(other, other_fake), for `half_split_interval`, and as metric(reference, other) between real images: all have
    the same n, and so the same finite-sample bias.

    Where the synthetic images limit n, or patients have very different numbers of images, the interval is too wide
    rather than too narrow. Where patients have several similar images, both sides of real against real are clustered,
    but only one side of real against synthetic is, so a good generator may score below real against real. Raises
    TooFewError for fewer than two patients, synthetic images or repeats.
    """
    names, owner = np.unique(patients, return_inverse=True)
    if min(len(names), fakes, repeats) < 2:
        found = f"{len(names)}, {fakes} and {repeats}"
        raise TooFewError(f"halves need at least 2 patients, 2 fakes and 2 repeats, not {found}")
    generator = np.random.default_rng(seed)
    halves = [split_halves(owner, generator) for _ in range(repeats)]
    n = min(fakes // 2, *(len(half) for pair in halves for half in pair))
    pool = generator.permutation(fakes)[: 2 * n]
    draws = []
    for pair in halves:
        shuffled = generator.permutation(pool)
        kept = [generator.choice(half, n, replace=False) for half in pair]
        draws.append(Draw(*kept, shuffled[:n], shuffled[n:]))
    return draws


def split_halves(patients, seed=0):
    """Split images into two groups of whole patients: the shuffled patients are cut where the images halve best.

    patients: (N,), the patient of each image. seed: int or numpy Generator. Returns two index arrays. Raises
    TooFewError for fewer than two patients.
    """
    names, owner = np.unique(patients, return_inverse=True)
    if len(names) < 2:
        raise TooFewError(f"Halves need at least 2 patients, not {len(names)}.")
    order = np.random.default_rng(seed).permutation(len(names))
    images = np.bincount(owner)[order].cumsum()
    cut = 1 + np.abs(images[:-1] - images[-1] / 2).argmin()
    first = np.isin(owner, order[:cut])
    return np.flatnonzero(first), np.flatnonzero(~first)


def bootstrap_weights(patients, repeats=1000, seed=0, strata=None):
    """Draw whole patients with replacement; float64 (1 + repeats, N), how often each image is in each resample.

    Row 0 is the sample itself, all ones. patients: (N,), the patient of each image: images of one patient are not
    independent, so patients are drawn (the cluster bootstrap of Davison and Hinkley 1997, section 3.8). strata: (N,),
    the same for all images of a patient; within each stratum as many patients are drawn as it has. seed: int or numpy
    Generator.

    >>> bootstrap_weights(["a", "a", "b"], repeats=1, seed=1)[1].tolist()
    [1.0, 1.0, 1.0]
    """
    names, first, owner = np.unique(patients, return_index=True, return_inverse=True)
    strata = np.zeros(len(names)) if strata is None else np.asarray(strata)[first]
    generator = np.random.default_rng(seed)
    counts = np.ones((1 + repeats, len(names)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        chances = np.full(len(members), 1 / len(members))
        counts[1:, members] = generator.multinomial(len(members), chances, repeats)
    return counts[:, owner]


def bootstrap(statistic, groups, repeats=500, seed=0):
    """{value, low, high} of statistic(*indices) by `percentile_interval` over resampled patients.

    groups: for each set of images the patient of each image (n,). `statistic` takes one index array for each set.
    """
    generator = np.random.default_rng(seed)
    weights = [bootstrap_weights(patients, repeats, generator).astype(int) for patients in groups]
    resamples = zip(*weights, strict=True)
    return percentile_interval([statistic(*(np.repeat(np.arange(len(w)), w) for w in ws)) for ws in resamples])


def percentile_interval(values):
    """{value, low, high} from a statistic of the sample (first) and of its resamples: their middle 95%.

    Resamples without a value (NaN) are left out. The interval always contains the value.
    """
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return widen(dict.fromkeys(("value", "low", "high"), float(values[0])), {"low": low, "high": high})


def widen(record, other):
    """The record with its interval extended to cover the interval of another record."""
    low, high = min(record["low"], other["low"]), max(record["high"], other["high"])
    return record | {"low": float(low), "high": float(high)}


def wilson(k, n):
    """{value, low, high, k, n}: the proportion k of n with its 95% interval; value, low and high are None for n = 0.

    Wilson 1927 (J. Am. Stat. Assoc. 22). The n observations must be independent.
    """
    if n == 0:
        return {"value": None, "low": None, "high": None, "k": 0, "n": 0}
    low, high = stats.binomtest(int(k), int(n)).proportion_ci(method="wilson")
    return {"value": int(k) / int(n), "low": float(low), "high": float(high), "k": int(k), "n": int(n)}


def proportion(hits):
    """The proportion of true values in `hits` (n,) with its 95% interval, see `wilson`.

    >>> proportion([True, True, False, False])["value"]
    0.5
    """
    return wilson(np.sum(hits), len(hits))


def holm(p_values):
    """The p values (n,) of one family of tests after the correction of Holm 1979 (Scand. J. Stat. 6)."""
    return multipletests(p_values, method="holm")[1]


def half_split_interval(values, others, lowest=-np.inf, highest=np.inf):
    """(value, low, high): the mean over both halves of all repeats and its 95% interval, within the metric's range.

    values, others: (repeats,), a metric of the first and of the second halves that `draw_halves` draws. Repeats without
    a value (NaN) are left out; with fewer than two repeats all three are NaN.

    The halves of a repeat are independent samples, so D, the mean square of half their difference, is the variance of
    the mean where the metric is an average over images (McCarthy 1969, Review of the International Statistical
    Institute 37: balanced half-samples). A nearest-neighbour metric is not: by Hoeffding's decomposition the variance
    is then D - M, where M is the variance of the repeats' own means. Both terms are noisy, and in simulations D - M
    gave intervals that are too narrow, so a third of M is subtracted, and never more than half of D.
    """
    pairs = np.array([pair for pair in zip(values, others, strict=True) if np.isfinite(pair).all()])
    if len(pairs) < 2:
        return (float("nan"),) * 3
    means, half_differences = pairs.mean(1), (pairs[:, 0] - pairs[:, 1]) / 2
    squares = np.square(half_differences).mean()
    variance = max(squares - means.var(ddof=1) / 3, squares / 2)
    return _clipped(means.mean(), stats.t.ppf(0.975, len(pairs)) * np.sqrt(variance), lowest, highest)


def repeat_interval(values, lowest=-np.inf, highest=np.inf):
    """(value, low, high): the mean over half-samples with its 95% interval, clipped to the metric's range.

    values: (repeats,). Half-samples spread around the statistic of the full sample as that does around the truth (Shao
    and Wu 1989, delete-d jackknife). The interval is mean +- t(0.975, repeats - 1) sd sqrt(1 + 1 / repeats); the root
    adds the error of using few repeats. Percentiles of only 20 values would be too narrow: they cover 86%.

    Repeats without a value (NaN) are left out. With fewer than two values all three are NaN.
    """
    values = [value for value in values if np.isfinite(value)]
    if len(values) < 2:
        return (float("nan"),) * 3
    sd = np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
    return _clipped(np.mean(values), stats.t.ppf(0.975, len(values) - 1) * sd, lowest, highest)


def seed_interval(rows):
    """(value, low, high) of the rows of one measure, one row for each seed (DataFrame with value, low and high).

    With three seeds or more the mean with its 95% t interval. With fewer, the means of value, low and high, which do
    not include how much another seed would differ.
    """
    if len(rows) < 3:
        return tuple(rows[["value", "low", "high"]].mean())
    mean, error = rows["value"].mean(), stats.sem(rows["value"])
    return mean, *(mean + side * stats.t.ppf(0.975, len(rows) - 1) * error for side in (-1, 1))


def paired_interval(differences, comparisons=1):
    """(value, low, high): the mean of paired differences with its t interval, 95% for all `comparisons` together.

    The correction is Bonferroni's. Two differences at least; the pairs may share a seed, a patient or a split.
    """
    mean, error = np.mean(differences), stats.sem(differences)
    margin = stats.t.ppf(1 - 0.025 / comparisons, len(differences) - 1) * error
    return float(mean), float(mean - margin), float(mean + margin)


def difference_interval(a, b):
    """(value, low, high) of a - b from two records with value, low and high: Zou and Donner 2008 (MOVER).

    Models are measured against the same real images; treating them as independent makes the interval rather too wide.
    """
    value = a["value"] - b["value"]
    below = np.hypot(a["value"] - a["low"], b["high"] - b["value"])
    return value, value - below, value + np.hypot(a["high"] - a["value"], b["value"] - b["low"])


def _clipped(value, margin, lowest, highest):
    """(value, low, high) of value +- margin within the range lowest to highest."""
    return float(value), float(max(value - margin, lowest)), float(min(value + margin, highest))
