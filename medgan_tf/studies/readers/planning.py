"""How many images and readers a study needs for what it wants to show."""

import numpy as np
from scipy.stats import norm

IMAGES, READERS, ACCURACIES = (50, 100, 200, 300), (3, 5, 10), (0.55, 0.6, 0.7)
MARGIN = 0.1  # of accuracy around chance, within which images pass for equal
Z = norm.ppf(0.975)


def power_table(images=IMAGES, readers=READERS, accuracies=ACCURACIES, reader_share=0.02, image_share=0.1):
    """A record for each number of images (both kinds together) and readers.

    power: {accuracy: chance that the pooled interval lies above or below 0.5, where this accuracy is the truth}.
    equivalence: chance that it lies within 0.5 +- MARGIN, where the truth is 0.5. half_width: of that interval.
    reader_share, image_share: of the variance of right and wrong answers, what differs between readers and what differs
    between images. 0.02 is readers whose own accuracies spread by 0.07 around 0.5; 0.1 is the correlation of two
    readers on one image, of the size of kappa in Park et al. 2021. Both are assumptions: put in those of a pilot study.
    Normal approximation; the interval is that of `Resamples`, whose mean variance is derived in `_variances`.
    """
    records = []
    for n in images:
        for r in readers:
            shape = r, n, reader_share, image_share
            records.append(
                {"images": n, "readers": r}
                | {"power": {str(p): _beyond_chance(p, *shape) for p in accuracies}}
                | {"equivalence": _equivalence(*shape), "half_width": Z * _variances(0.5, *shape)[1] ** 0.5}
            )
    return records


def _beyond_chance(accuracy, *shape):
    true, estimated = np.sqrt(_variances(accuracy, *shape))
    distance = abs(accuracy - 0.5)
    return float(norm.cdf((distance - Z * estimated) / true) + norm.cdf((-distance - Z * estimated) / true))


def _equivalence(*shape):
    true, estimated = np.sqrt(_variances(0.5, *shape))
    return float(max(0, 2 * norm.cdf((MARGIN - Z * estimated) / true) - 1))


def _variances(accuracy, readers, images, reader_share, image_share):
    """(variance of the pooled accuracy, mean of what the bootstrap of readers and images takes it for).

    Right or wrong is accuracy + reader + image + rest, crossed. The bootstrap sees the spread of the means of readers
    and of images, each of which holds its part of the rest, which so enters three times.
    """
    total = accuracy * (1 - accuracy)
    reader, image = total * reader_share / readers, total * image_share / images
    rest = total * (1 - reader_share - image_share) / (readers * images)
    of_readers, of_images = 1 - 1 / readers, 1 - 1 / images
    bootstrap = of_readers * (reader + rest) + of_images * (image + rest) + of_readers * of_images * rest
    return reader + image + rest, bootstrap
