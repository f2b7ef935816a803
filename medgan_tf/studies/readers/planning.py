"""Plan a reader study: how many images and readers it needs."""

from itertools import product

from scipy.stats import nct, norm, t

from .reader_intervals import margin, standard_error

IMAGES, READERS, ACCURACIES = (50, 100, 200, 300), (3, 5, 10), (0.55, 0.6, 0.7)
MARGIN = 0.1  # around an accuracy of 0.5; within it real and synthetic images count as equivalent


def power_table(images=IMAGES, readers=READERS, accuracies=ACCURACIES, reader_share=0.02, image_share=0.1):
    """Power and precision: a list of records, one for each number of images (both kinds together) and of readers.

    power: {true accuracy: probability that the pooled interval lies above or below 0.5}. equivalence: probability that
    the interval lies within 0.5 +- MARGIN where the true accuracy is 0.5. half_width: that of the interval then.
    reader_share, image_share: fractions of the variance of right and wrong answers between readers and between images.
    0.02: the accuracies of readers have a standard deviation of 0.07 around 0.5. 0.1: the correlation of two readers on
    one image, like the kappa of Park et al. 2021. Both are assumptions: replace them by those of a pilot study.
    The interval is that of `reader_intervals.pooled`, at the mean of its variance (noncentral t; Hillis et al. 2011).
    """
    records = []
    for n, r in product(images, readers):
        shape = r, n, reader_share, image_share
        power = {str(accuracy): beyond_chance(accuracy, *shape) for accuracy in accuracies}
        at_chance = _variances(0.5, *shape)
        (error, _), half_width = standard_error(*at_chance), margin(*at_chance)
        equivalence = float(max(0, 2 * norm.cdf((MARGIN - half_width) / error) - 1))
        record = {"images": n, "readers": r, "power": power}
        records.append(record | {"equivalence": equivalence, "half_width": half_width})
    return records


def beyond_chance(accuracy, *shape):
    """Probability that the interval excludes 0.5 at this true accuracy; shape: readers, images and both shares."""
    error, freedom = standard_error(*_variances(accuracy, *shape))
    needed, distance = t.ppf(0.975, freedom), (accuracy - 0.5) / error
    return float(nct.sf(needed, freedom, distance) + nct.cdf(-needed, freedom, distance))


def _variances(accuracy, readers, images, reader_share, image_share):
    """`standard_error`'s arguments if right or wrong = accuracy + reader effect + image effect + residual."""
    total, rest = accuracy * (1 - accuracy), 1 - reader_share - image_share
    return total * (reader_share + rest / images), total * image_share / images, readers
