"""The bootstrap of readers and images behind every pooled interval."""

import numpy as np


class Resamples:
    """Draws with replacement of readers and, within each kind, of images.

    synthetic: bool (images,). Values for every draw are (1 + number, readers); row 0 is the sample itself. As each is
    drawn by itself (Owen 2007, the pigeonhole bootstrap), intervals hold for other readers and other images, and are
    somewhat too wide where the two explain little of the answers.
    """

    def __init__(self, synthetic, readers, number=2000, seed=0):
        random = np.random.default_rng(seed)
        self.synthetic = np.asarray(synthetic)
        self.images = np.ones((1 + number, len(self.synthetic)))
        self.readers = np.ones((1 + number, readers))
        for kind in (self.synthetic, ~self.synthetic):
            self.images[1:, kind] = _times_drawn(random, kind.sum(), number)
        self.readers[1:] = _times_drawn(random, readers, number)

    def means(self, values, kind=True):
        """Each reader's mean of values (readers, images), NaN where not answered, over images of this kind (mask)."""
        weights = self.images * kind
        with np.errstate(invalid="ignore"):
            return (weights @ np.nan_to_num(values).T) / (weights @ np.isfinite(values).T)

    def auc(self, scores, levels):
        """Each reader's area under the ROC curve; scores (readers, images) in 0 to levels - 1, NaN where not answered.

        The area is the chance that a synthetic image has a higher score than a real one, ties counting half.
        """
        chosen = [(scores == level).T for level in range(levels)]
        above, below = (
            np.stack([(self.images * kind) @ column for column in chosen]) for kind in (self.synthetic, ~self.synthetic)
        )
        lower = below.cumsum(axis=0) - below / 2
        with np.errstate(invalid="ignore"):
            return (above * lower).sum(axis=0) / (above.sum(axis=0) * below.sum(axis=0))

    def pooled(self, values):
        """The record of the mean over readers of values (1 + number, readers)."""
        weights = self.readers * np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return record((weights * np.nan_to_num(values)).sum(axis=1) / weights.sum(axis=1))

    def each(self, values):
        """A record for each reader; intervals hold for other images."""
        return [record(column) for column in values.T]


def record(draws):
    """{value, low, high}: the first of draws, and the middle 95% of the others; None where there is no spread."""
    finite = draws[1:][np.isfinite(draws[1:])]
    low, high = np.percentile(finite, [2.5, 97.5]) if len(finite) and np.ptp(finite) else (None, None)
    return {"value": float(draws[0]) if np.isfinite(draws[0]) else None, "low": low, "high": high}


def _times_drawn(random, size, number):
    return random.multinomial(size, np.full(size, 1 / max(size, 1)), number)
