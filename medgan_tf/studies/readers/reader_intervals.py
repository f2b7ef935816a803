"""Intervals of a reader study: a bootstrap over images and the variance between readers."""

import numpy as np
from scipy import stats

from medgan_tf.intervals import bootstrap_weights, percentile_interval


class ImageResamples:
    """Bootstrap resamples of the images within each kind, and measures of each reader on all of them.

    synthetic: bool (images,). Measures are (1 + number, readers); row 0 is the sample itself.
    """

    def __init__(self, synthetic, number=2000, seed=0):
        self.synthetic = np.asarray(synthetic)
        self.images = bootstrap_weights(np.arange(len(self.synthetic)), number, seed, strata=~self.synthetic)

    def means(self, values, kind=True):
        """Each reader's mean of values (readers, images), NaN where not answered, over images of this kind (mask)."""
        weights = self.images * kind
        with np.errstate(invalid="ignore"):
            return (weights @ np.nan_to_num(values).T) / (weights @ np.isfinite(values).T)

    def auc(self, scores, levels):
        """Each reader's area under the ROC curve; scores (readers, images) in 0 to levels - 1, NaN where not answered.

        The area is the chance that a synthetic image has a higher score than a real one, ties counting half.
        """
        chosen = np.stack([(scores == level).T for level in range(levels)])
        above, below = ((self.images * kind) @ chosen for kind in (self.synthetic, ~self.synthetic))
        lower = below.cumsum(axis=0) - below / 2
        with np.errstate(invalid="ignore"):
            return (above * lower).sum(axis=0) / (above.sum(axis=0) * below.sum(axis=0))


def pooled(values, lowest=-np.inf, highest=np.inf):
    """The record of the mean over readers of values (1 + number, readers), clipped to the measure's range.

    Obuchowski and Rockette (1995): the variance of the mean is that between the readers' values, plus the covariance of
    two readers who see the same images, here from the draws of images; t with the degrees of freedom of Hillis (2007).
    So the interval generalises to other readers and other images of the same kinds. A bootstrap over readers too would
    give intervals that are too narrow for few readers who differ, and too wide for many who do not. With one reader the
    interval generalises to other images only.
    """
    values = values[:, np.isfinite(values[0])]  # a reader may have seen no image of a kind
    draws, readers = values[np.isfinite(values).all(axis=1)], values.shape[1]
    if readers < 2 or len(draws) < 2:
        return record(values[:, 0]) if readers else {"value": None, "low": None, "high": None}
    between = values[0].var(ddof=1)
    own, mean = draws[1:].var(axis=0, ddof=1).mean(), draws[1:].mean(axis=1).var(ddof=1)
    around = margin(between, max(0.0, (readers * mean - own) / (readers - 1)), readers)
    value = float(values[0].mean())
    low, high = (max(value - around, lowest), min(value + around, highest)) if around else (None, None)
    return {"value": value, "low": low, "high": high}


def standard_error(between, covariance, readers):
    """(standard error of a mean over readers, its degrees of freedom), as `pooled` explains."""
    total = between + readers * covariance
    freedom = (readers - 1) * (total / between) ** 2 if between else np.inf
    return (total / readers) ** 0.5, freedom


def record(draws):
    """`percentile_interval` of draws; low and high are None where all resamples are equal."""
    finite = draws[1:][np.isfinite(draws[1:])]
    if len(finite) and np.ptp(finite) and np.isfinite(draws[0]):
        return percentile_interval(draws)
    return {"value": float(draws[0]) if np.isfinite(draws[0]) else None, "low": None, "high": None}


def margin(between, covariance, readers):
    """Half the width of the 95% interval of a mean over readers, see `standard_error`."""
    error, freedom = standard_error(between, covariance, readers)
    return float(stats.t.ppf(0.975, freedom) * error)
