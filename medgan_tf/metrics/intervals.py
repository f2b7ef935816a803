"""One resampling scheme for every metric: repeated halves of the patients and of the fakes.

What the 95% intervals hold was simulated: 200 studies each of 200 patients with one image and of 60 with four that are
alike, in which the truth was known. `HELD` has the shares that tests/test_metrics.py demands:

- the kernel distance and the distances of intensities and of power spectra: between 90 and 98%
- the Frechet distance at infinite n: between 90 and 99%, the 98.5% of 60 patients being more than 98%
- the Frechet distance, the Inception score and copies: between 90 and 98%, of what is expected at the n of the record.
  Fewer than half of the intervals hold the Frechet distance of infinitely many images: they know nothing of its bias
- the distance of autocorrelations: the same, up to 99% (98.5% of 60 patients in 200 studies, 96% in 1,000)
- precision, recall, density and coverage: 95 to 100%, of what is expected at this n. These are too wide, and so err
  towards "not distinguishable at this n"
- MS-SSIM: not simulated
- label agreement has intervals of its own: simulated in tests/test_agreement.py

Nor were floors simulated, classes of fewer patients, or features that are not Gaussian.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

HELD = {  # metric: lowest and highest share of simulated studies whose interval held the truth
    "kernel_distance": (0.90, 0.98),
    "intensity_distance": (0.90, 0.98),
    "power_spectrum_distance": (0.90, 0.98),
    "frechet_distance_infinity": (0.90, 0.99),
    "frechet_distance": (0.90, 0.98),
    "inception_score": (0.90, 0.98),
    "autocorrelation_distance": (0.90, 0.99),
    "copies": (0.90, 0.98),
    "precision": (0.95, 1.0),
    "recall": (0.95, 1.0),
    "density": (0.95, 1.0),
    "coverage": (0.95, 1.0),
}


class TooFewError(ValueError):
    """There are too few patients or images for the measurement."""


@dataclass(frozen=True)
class Draw:
    """Indices of one repeat, n each: two halves of the real images that share no patient, half of the
    fakes."""

    reference: np.ndarray
    other: np.ndarray
    fake: np.ndarray


def draw_halves(patients, fakes, repeats=20, seed=0):
    """Draws for delete-half subsampling; `patients` (N,) holds each real image's patient, `fakes` is a count.

    In each repeat the shuffled patients are cut where half of the images is nearest: one half is the
    reference B_r, the other A_r. n images are kept of each, and n fakes of a pool of 2n, all without
    replacement; n is the largest number that every repeat and half of the fakes allow.

    A metric then has value_r = metric(B_r, fakes_r) and floor_r = metric(B_r, A_r). Both are taken at n,
    hence with the same finite-sample bias. Half-samples spread around the full sample's statistic as the full
    sample does around the truth, since the finite-population variance factor 1/n - 1/(2n) is the full
    sample's 1/(2n): the spread of value_r estimates the error of their mean (Shao and Wu 1989, delete-d
    jackknife). Patients are drawn, not images, because images of one patient are not independent.

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
    return [Draw(keep(reference), keep(other), keep(pool)) for reference, other in halves]


def summary(values, lowest=-np.inf, highest=np.inf):
    """(value, low, high): the mean over repeats with its 95% interval, kept within the metric's own range.

    The interval is mean +- t(0.975, repeats - 1) sd sqrt(1 + 1 / repeats), sd being that of the values and the
    root adding the error of taking few repeats. Percentiles of as few as 20 values would be too narrow: from one
    to the other lie 19 x 0.95 of the 21 gaps that 20 values leave, or 86%. Repeats without a value (NaN) do not
    count; of fewer than two values there is no interval, and all three are NaN.
    """
    values = [value for value in values if np.isfinite(value)]  # a repeat may have no value of a metric
    repeats = len(values)
    if repeats < 2:
        return float("nan"), float("nan"), float("nan")
    sd = np.std(values, ddof=1) * np.sqrt(1 + 1 / repeats)
    value, margin = np.mean(values), stats.t.ppf(0.975, repeats - 1) * sd
    return float(value), float(max(value - margin, lowest)), float(min(value + margin, highest))


def _split(owner, patients, generator):
    """Image indices of two groups of patients, as equal in images as whole patients in this order allow."""
    order = generator.permutation(patients)
    images = np.bincount(owner, minlength=patients)[order].cumsum()
    cut = 1 + np.abs(images[:-1] - images[-1] / 2).argmin()
    first = np.isin(owner, order[:cut])
    return np.flatnonzero(first), np.flatnonzero(~first)
