"""One resampling scheme for every metric: repeated halves of the patients and of the fakes.

What the 95% intervals hold was simulated with known truth: 200 studies each of 200 patients with one image and of 60
with four that are alike. Those of every metric hold it in 90 to 98% of them, which tests/test_metrics.py demands (for
MS-SSIM in 100 studies of the 60 patients alone). For the kernel distance, the Frechet distance at infinite n and the
distances of intensities and of power spectra the truth is that of infinitely many images. For the others it is what is
expected at the n of the record: fewer than half of the intervals hold the Frechet distance of infinitely many images,
since they know nothing of its bias. Label agreement has intervals of its own: tests/test_agreement.py. Where synthetic
images are distributed as the real ones, intervals of neighbour metrics tend to be wider than need be. Not simulated:
floors, classes of fewer patients, features that are not Gaussian.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats


class TooFewError(ValueError):
    """There are too few patients or images for the measurement."""


@dataclass(frozen=True)
class Draw:
    """Indices of one repeat, n each: two halves of the real images that share no patient, two of the fakes that share
    no image."""

    reference: np.ndarray
    other: np.ndarray
    fake: np.ndarray
    other_fake: np.ndarray


def draw_halves(patients, fakes, repeats=20, seed=0):
    """Draws of half-samples; `patients` (N,) holds each real image's patient, `fakes` is a count.

    In each repeat the shuffled patients are cut where half of the images is nearest: one half is the
    reference B_r, the other A_r. n images are kept of each, and a pool of 2n fakes is cut into F_r and G_r, all without
    replacement; n is the largest number that every repeat and half of the fakes allow.

    A metric then has the values metric(B_r, F_r) and metric(A_r, G_r), for `estimate`, and floor_r = metric(B_r, A_r).
    All are taken at n, hence with the same finite-sample bias. Patients are drawn, not images, because images of one
    patient are not independent.

    Where the fakes limit n, or patients have very unequal numbers of images, less than half of the real images is
    kept and the interval is too wide rather than too narrow. The floor's interval is the spread over splits of
    these same patients. Where patients have several images alike, both sides of the floor are clustered and of the
    value only one, so a good generator may lie below the floor.

    Returns a list of `Draw`. Raises TooFewError for fewer than two patients, two fakes or two repeats.
    """
    patients = np.asarray(patients)
    names, owner = np.unique(patients, return_inverse=True)
    if min(len(names), fakes, repeats) < 2:
        raise TooFewError(
            f"halves need at least 2 patients, 2 fakes and 2 repeats, not {len(names)}, {fakes} and {repeats}"
        )
    generator = np.random.default_rng(seed)
    halves = [_split(owner, len(names), generator) for _ in range(repeats)]
    n = min(fakes // 2, *(len(half) for pair in halves for half in pair))
    pool = generator.permutation(fakes)[: 2 * n]
    keep = lambda indices: generator.choice(indices, n, replace=False)  # noqa: E731
    draws = []
    for pair in halves:
        shuffled = generator.permutation(pool)
        draws.append(Draw(*map(keep, pair), shuffled[:n], shuffled[n:]))
    return draws


def estimate(values, others, lowest=-np.inf, highest=np.inf):
    """(value, low, high): the mean over both halves of all repeats with its 95% interval, kept within the metric's own
    range. values, others: a metric of the first and of the other halves of each repeat.

    The two halves of a repeat are independent samples. So the mean square of half their difference, D, is half the
    variance that the metric has at n; it is the variance of the mean where the metric is an average over images
    (McCarthy 1969, Review of the International Statistical Institute 37: balanced half-samples). A metric of neighbours
    is not: averaging over many halves takes more of its variance away. By the decomposition of Hoeffding the variance
    of the mean is then D - M, with M that of the repeats' own means: half-samples of one sample overlap by half. All of
    M taken off is right on average, but two noisy figures are subtracted, and intervals held the truth too seldom in
    simulations; a third of it is taken off, and never more than half of D.

    A repeat without a value (NaN) does not count; of fewer than two there is no interval, and all three are NaN.
    """
    pairs = np.array([pair for pair in zip(values, others, strict=True) if np.isfinite(pair).all()])
    if len(pairs) < 2:
        return float("nan"), float("nan"), float("nan")
    means, half_differences = pairs.mean(1), (pairs[:, 0] - pairs[:, 1]) / 2
    squares = np.square(half_differences).mean()
    variance = max(squares - means.var(ddof=1) / 3, squares / 2)
    value, margin = means.mean(), stats.t.ppf(0.975, len(pairs)) * np.sqrt(variance)
    return float(value), float(max(value - margin, lowest)), float(min(value + margin, highest))


def summary(values, lowest=-np.inf, highest=np.inf):
    """(value, low, high): the mean over repeats with its 95% interval, kept within the metric's own range.

    Half-samples spread around the full sample's statistic as the full sample does around the truth, since the finite-
    population variance factor 1/n - 1/(2n) is the full sample's 1/(2n): where the statistic is an average, their spread
    is the error of their mean (Shao and Wu 1989, delete-d jackknife). The interval is mean +- t(0.975, repeats - 1) sd
    sqrt(1 + 1 / repeats), sd being that of the values and the root adding the error of taking few repeats. Percentiles
    of as few as 20 values would be too narrow: from one to the other lie 19 x 0.95 of the 21 gaps that 20 values leave,
    or 86%. Repeats without a value (NaN) do not count; of fewer than two values there is no interval, and all three are
    NaN.
    """
    values = [value for value in values if np.isfinite(value)]  # a repeat may have no value of a metric
    repeats = len(values)
    if repeats < 2:
        return float("nan"), float("nan"), float("nan")
    sd = np.std(values, ddof=1) * np.sqrt(1 + 1 / repeats)
    value, margin = np.mean(values), stats.t.ppf(0.975, repeats - 1) * sd
    return float(value), float(max(value - margin, lowest)), float(min(value + margin, highest))


def over_seeds(rows):
    """(value, low, high) of rows of one measure, one a seed.

    Of three seeds and more the mean with its 95% t interval; of fewer the mean of value and interval over half-splits,
    which does not know how much another seed would differ.
    """
    if len(rows) < 3:
        return tuple(rows[["value", "low", "high"]].mean())
    mean, error = rows["value"].mean(), stats.sem(rows["value"])
    return mean, *(mean + side * stats.t.ppf(0.975, len(rows) - 1) * error for side in (-1, 1))


def difference(a, b):
    """(value, low, high) of a - b from the 95% intervals of both: Zou and Donner 2008 (MOVER).

    Models are measured against the same halves, whose luck they share; taking them for independent makes the interval
    rather too wide. Records that have value, low and high.
    """
    value = a["value"] - b["value"]
    return (
        value,
        value - np.hypot(a["value"] - a["low"], b["high"] - b["value"]),
        value + np.hypot(a["high"] - a["value"], b["value"] - b["low"]),
    )


def proportion(hits):
    """The proportion of true values (n,) with its 95% Wilson interval: value, low, high, k and n.

    Wilson 1927 (J. Am. Stat. Assoc. 22). value, low and high are None where n is 0.

    >>> proportion([True, True, False, False])["value"]
    0.5
    """
    k, n = int(np.sum(hits)), len(hits)
    if n == 0:
        return {"value": None, "low": None, "high": None, "k": 0, "n": 0}
    low, high = stats.binomtest(k, n).proportion_ci(method="wilson")
    return {"value": k / n, "low": float(low), "high": float(high), "k": k, "n": n}


def _split(owner, patients, generator):
    """Image indices of two groups of patients, as equal in images as whole patients in this order allow."""
    order = generator.permutation(patients)
    images = np.bincount(owner, minlength=patients)[order].cumsum()
    cut = 1 + np.abs(images[:-1] - images[-1] / 2).argmin()
    first = np.isin(owner, order[:cut])
    return np.flatnonzero(first), np.flatnonzero(~first)
