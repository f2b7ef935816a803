"""How many images and readers a study needs for what it wants to show."""

from scipy.stats import nct, norm, t

from .resampling import standard_error

IMAGES, READERS, ACCURACIES = (50, 100, 200, 300), (3, 5, 10), (0.55, 0.6, 0.7)
MARGIN = 0.1  # of accuracy around chance, within which images pass for equal


def power_table(images=IMAGES, readers=READERS, accuracies=ACCURACIES, reader_share=0.02, image_share=0.1):
    """A record for each number of images (both kinds together) and readers.

    power: {accuracy: chance that the pooled interval lies above or below 0.5, where this accuracy is the truth}.
    equivalence: chance that it lies within 0.5 +- MARGIN, where the truth is 0.5. half_width: of that interval.
    reader_share, image_share: of the variance of right and wrong answers, what differs between readers and what differs
    between images. 0.02 is readers whose own accuracies spread by 0.07 around 0.5; 0.1 is the correlation of two
    readers on one image, of the size of kappa in Park et al. 2021. Both are assumptions: put in those of a pilot study.
    The interval is that of `resampling.pooled`, at the mean of its variance (noncentral t; Hillis et al. 2011).
    """
    records = []
    for n in images:
        for r in readers:
            shape = r, n, reader_share, image_share
            records.append(
                {"images": n, "readers": r}
                | {"power": {str(accuracy): beyond_chance(accuracy, *shape) for accuracy in accuracies}}
                | {"equivalence": within_margin(*shape), "half_width": half_width(*shape)}
            )
    return records


def beyond_chance(accuracy, *shape):
    """The chance that the interval excludes 0.5, where this is the accuracy; shape: readers, images and the shares."""
    error, freedom = _error(accuracy, *shape)
    needed, distance = t.ppf(0.975, freedom), (accuracy - 0.5) / error
    return float(nct.sf(needed, freedom, distance) + nct.cdf(-needed, freedom, distance))


def within_margin(*shape):
    """The chance that the interval lies within MARGIN of 0.5, where 0.5 is the accuracy."""
    return float(max(0, 2 * norm.cdf((MARGIN - half_width(*shape)) / _error(0.5, *shape)[0]) - 1))


def half_width(*shape):
    """Of the interval, where the accuracy is 0.5."""
    error, freedom = _error(0.5, *shape)
    return float(t.ppf(0.975, freedom) * error)


def _error(accuracy, readers, images, reader_share, image_share):
    """Right or wrong is accuracy + reader + image + rest, crossed: what `standard_error` makes of their variances."""
    total, rest = accuracy * (1 - accuracy), 1 - reader_share - image_share
    return standard_error(total * (reader_share + rest / images), total * image_share / images, readers)
