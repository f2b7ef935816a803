"""All core metrics of synthetic against real images in one call, each with n, 95% interval and real against real."""

from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from medgan_tf.datasets import match_encoding, read_at_one_size
from medgan_tf.intervals import TooFewError, draw_halves

from . import statistics
from .agreement import knows_labels, label_agreement
from .copies import copies, nearest
from .coverage import precision_recall
from .distances import frechet_distance_infinity, inception_score, kernel_distance
from .features import extract
from .records import METRICS, record
from .similarity import Similarities, scales, similarities

NEIGHBOURS = 5
PAIRS = 2000  # image pairs for MS-SSIM; about a quarter lie within a half, and fewer would make it noisy
OF_PIXELS = {"ms_ssim", "power_spectrum_distance", "autocorrelation_distance", "intensity_distance"}
PIXELS = {"extractor": "pixels", "weights_sha256": None}
MIN_FOR_FRECHET = 5000  # images a side; below, the kernel distance is the leading metric


def evaluate(
    real, fake, features, training=None, *, label_classifier=None, by_class=False, repeats=20, seed=0, cache=None
):
    """Measure synthetic against real images: {metric: record}, the leading metric first.

    real, fake, training: each an `ImageSet`, an array uint8 (N, H, W, 1) or a path that `datasets.read_images` reads;
    real images are not seen by the generator, training images are what it learned from, of other patients. Files are
    read at the size of the sets in memory, else of the first synthetic image. Before anything is measured, all get the
    same encoding (`datasets.match_encoding`); every record has its `jpg_quality`, None for lossless.
    features: an Extractor. label_classifier: an Extractor with logits and classes, by default `features` if it is one.
    by_class: also measure each class by itself. cache: folder for features.

    The leading metric is the kernel distance for fewer than 5,000 images a side, and from there on the Frechet
    distance, whose bias is then small. The others are the Frechet distance at infinite n, precision, recall, density,
    coverage, the Inception score (if the extractor has logits), MS-SSIM, the distances of power spectra,
    autocorrelations and intensities and, with `training`, `copies`. MS-SSIM and these three distances are computed from
    pixels, all others from features. MS-SSIM is taken within classes if both sets have labels of the same classes.

    `records` says what a record has. MS-SSIM also records its number of `scales` and `within_classes`, and
    `frechet_distance_infinity` its sizes with the distances and real_vs_real_distances at each of them.

    If a classifier knows the labels of the synthetic images, `label_agreement` is how often it names the class asked
    for; see `agreement.label_agreement`. A classifier that chose among the generator's checkpoints is not independent.

    With by_class, "classes" holds the same for each class of the real images: {class: {metric: record}}, or
    {"too_few": n} for a class with too few real images, n. If the synthetic images have no labels, since the generator
    is unconditional, all of them are compared with each class.

    Raises ValueError where the sets differ in size or lack the labels asked for, and its subclass TooFewError where
    there are too few images or patients.

    >>> records = metrics.evaluate(data.held_out, generator.sample_set(500), feature_classifier, data.train)
    >>> records["kernel_distance"]["interpretation"]
    """
    fake, real, training = read_at_one_size(fake, real, training)
    real, fake = match_encoding(real, fake)
    same_classes = real.classes == fake.classes and len(real.classes) != 1
    labelled = real.labels is not None and fake.labels is not None and same_classes
    if by_class and not (real.classes and (labelled or fake.labels is None)):
        raise ValueError(
            "each class by itself needs the same classes on both sides, not"
            f" {list(real.classes) or 'unknown ones'} and {list(fake.classes) or 'unknown ones'}"
        )
    if label_classifier is None and knows_labels(features, fake):
        label_classifier = features
    agreed = label_classifier and label_agreement(label_classifier, real, fake, cache)
    learned = None if training is None else extract(features, training.as_jpg(real.jpg_quality), cache).features
    sides = [(images, _measure_images(images, features, cache, learned)) for images in (real, fake)]
    settings = {"extractor": features, "repeats": repeats, "seed": seed}
    records = _records(*sides, within_classes=labelled, **settings) | ({"label_agreement": agreed} if agreed else {})
    classes = {}
    for label, name in enumerate(real.classes if by_class else ()):
        own = [_of_class(*side, label) for side in sides]
        try:
            classes[name] = _records(*own, within_classes=False, **settings)
        except TooFewError:
            classes[name] = {"too_few": len(own[0][0])}
    return records | ({"classes": classes} if by_class else {})


@dataclass(frozen=True)
class _Measured:
    """What is computed once for each image, one row per image."""

    features: np.ndarray  # (N, D)
    spectra: np.ndarray  # (N, R)
    histograms: np.ndarray  # (N, 256)
    covariances: np.ndarray  # (N, R + 1)
    logits: np.ndarray | None  # (N, C)
    to_training: np.ndarray | None  # (N,) distance to the nearest training image
    patients: np.ndarray | None  # (N,)

    def take(self, indices):
        """The rows of these images."""
        known = {name: column for name, column in vars(self).items() if column is not None}
        return replace(self, **{name: column[indices] for name, column in known.items()})


def _measure_images(image_set, extractor, cache, learned):
    images = image_set.images
    features, logits = extract(extractor, images, cache)
    to_training = None if learned is None else nearest(features, learned)
    measures = (statistics.power_spectra, statistics.intensity_histograms, statistics.autocovariances)
    return _Measured(features, *(measure(images) for measure in measures), logits, to_training, None)


def _of_class(image_set, measured, label):
    """The images of one class with what was measured of them; all images of a set without labels."""
    if image_set.labels is None:
        return image_set, measured
    own = image_set.labels == label
    return image_set.take(own), measured.take(own)


def _records(real, fake, extractor, within_classes, repeats, seed):
    """{metric: record}. real, fake: pairs of an `ImageSet` and its `_Measured`."""
    (real, of_real), (fake, of_fake) = real, fake
    counts = len(real), len(fake)
    patients = np.arange(counts[0]) if real.patients is None else real.patients
    draws = draw_halves(patients, counts[1], repeats, seed)
    n = len(draws[0].fake)
    if n < 2 * (NEIGHBOURS + 1):
        raise TooFewError(
            f"{counts[0]} real images of {len(np.unique(patients))} patients and {counts[1]} synthetic ones leave {n}"
            f" in each half; the metrics need at least {2 * (NEIGHBOURS + 1)}"
        )
    of_real = replace(of_real, patients=patients)
    real_pairs = _similar_pairs(real, np.arange(counts[0]), within_classes, patients)
    fake_pairs = _similar_pairs(fake, np.union1d(draws[0].fake, draws[0].other_fake), within_classes)
    values, others, real_vs_real = [], [], []
    for repeat, draw in enumerate(tqdm(draws, "metrics", unit="repeat", leave=False)):
        reference, other = of_real.take(draw.reference), of_real.take(draw.other)
        for measured, against, (rows, pairs, chosen) in (
            (values, reference, (of_fake, fake_pairs, draw.fake)),
            (others, other, (of_fake, fake_pairs, draw.other_fake)),
            (real_vs_real, reference, (of_real, real_pairs, draw.other)),
        ):
            measured.append(_compare(against, rows.take(chosen), repeat) | {"ms_ssim": pairs.within(chosen)})
    known = None if real.patients is None else len(np.unique(patients))
    size = "{} x {}".format(*real.pixels.shape[1:3])
    shared = {"n": n, "repeats": repeats, "patients": known, "image_size": size, "jpg_quality": real.jpg_quality}
    features = {"extractor": extractor.name, "weights_sha256": extractor.weights_sha256}
    records = {
        metric: record(metric, values, others, real_vs_real) | shared | (PIXELS if metric in OF_PIXELS else features)
        for metric in METRICS
        if metric in values[0]
    }
    records["frechet_distance_infinity"] |= _distances_by_size(values + others, real_vs_real)
    records["ms_ssim"] |= {"scales": scales(*real.pixels.shape[1:3]), "within_classes": within_classes}
    leading = "kernel_distance" if n < MIN_FOR_FRECHET else "frechet_distance"
    return {leading: records[leading]} | records


def _similar_pairs(image_set, pool, within_classes, patients=None):
    """`Similarities` among the images of these indices, from which halves are drawn; without pairs if none exist."""
    known = {"labels": image_set.labels if within_classes else None, "patients": patients}
    known = {name: column[pool] for name, column in known.items() if column is not None}
    try:
        found = similarities(image_set.images[pool], pairs=PAIRS, **known)
    except ValueError:  # each class is of one patient
        return Similarities(np.empty((0, 2), int), np.empty(0))
    return replace(found, pairs=pool[found.pairs])


def _compare(reference, sample, seed):
    """{metric: float} of two `_Measured`, and "by_size", the Frechet distances at several n."""
    frechet = frechet_distance_infinity(reference.features, sample.features, reference.patients, sample.patients, seed)
    values = {
        "frechet_distance": frechet.distances[0],
        "frechet_distance_infinity": frechet.value,
        "by_size": frechet,
        "kernel_distance": kernel_distance(reference.features, sample.features),
        **precision_recall(reference.features, sample.features, NEIGHBOURS),
        "power_spectrum_distance": statistics.power_spectrum_distance(reference.spectra, sample.spectra),
        "autocorrelation_distance": statistics.autocorrelation_distance(reference.covariances, sample.covariances),
        "intensity_distance": statistics.intensity_distance(reference.histograms, sample.histograms),
    }
    if sample.logits is not None:
        values["inception_score"] = inception_score(sample.logits)
    if sample.to_training is not None:
        values["copies"] = copies(reference.to_training, sample.to_training)
    return values


def _distances_by_size(values, real_vs_real):
    """Mean Frechet distances at each size, of the model and of real against real."""
    model, real = (
        np.mean([each["by_size"].distances for each in side], axis=0).tolist() for side in (values, real_vs_real)
    )
    return {"sizes": values[0]["by_size"].sizes, "distances": model, "real_vs_real_distances": real}
