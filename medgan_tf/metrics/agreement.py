"""Does a generated image show the class that was asked for? An independent classifier answers."""

from dataclasses import replace

import numpy as np

from medgan_tf.intervals import bootstrap_weights, percentile_interval, proportion, widen

from .features import extract
from .records import interpret

DRAWS = 1000  # resamplings of patients
ENDS = ("value", "low", "high")


def agreement(label_classifier, image_set, cache=None):
    """How often a classifier names the class that an image was made for, class by class.

    label_classifier: an Extractor with logits, trained on real training images alone, with another seed than the one
    that chose among the generator's checkpoints. image_set: an `ImageSet` with labels, of what was asked for (or, of
    real images, what they are, which shows the classifier's own limit). cache: folder for the classifier's answers.

    Returns {class: record} and, as "mean", the mean over classes, each with the same weight: chance is 1 / classes
    whatever answer the classifier prefers. A record has value, low, high (95%), n and chance; a class also has k and
    `named`, the proportion of its images that were given each class. Class intervals are Wilson's (1927); that of the
    mean combines them (Zou and Donner 2008). Images of one patient are not independent: if the set has patients, an
    interval is that over 1,000 resamplings of whole patients where this is wider. With few patients that is too narrow:
    in simulations with four similar images of each, a truth of 0.7 lay in a class's interval 94% of the time with 30
    patients a class, but 79% with 5.
    Raises ValueError for a classifier of other classes.
    """
    classes, labels = image_set.classes, image_set.labels
    if label_classifier.report.get("classes") != list(classes):
        raise ValueError(
            f"The classifier knows the classes {label_classifier.report.get('classes')}, not {list(classes)}."
        )
    answers = extract(label_classifier, image_set, cache).logits.argmax(axis=1)
    chance, present = 1 / len(classes), np.unique(labels)
    records = {}
    for label in present:
        counts = np.bincount(answers[labels == label], minlength=len(classes))
        named = dict(zip(classes, (counts / counts.sum()).tolist(), strict=True))
        records[classes[label]] = proportion(answers[labels == label] == label) | {"chance": chance, "named": named}
    if image_set.patients is not None:
        drawn = _over_patients(answers == labels, labels, present, image_set.patients)
        for name, values in zip(list(records), drawn.T, strict=True):
            records[name] = widen(records[name], percentile_interval(values))
    value, low, high = (np.array([record[name] for record in records.values()]) for name in ENDS)
    records["mean"] = {
        "value": value.mean(),
        "low": value.mean() - np.sqrt(np.square(value - low).sum()) / len(value),
        "high": value.mean() + np.sqrt(np.square(high - value).sum()) / len(value),
        "n": len(labels),
        "chance": chance,
    }
    if image_set.patients is not None:
        records["mean"] = widen(records["mean"], percentile_interval(np.nanmean(drawn, axis=1)))
    return records


def label_agreement(label_classifier, real, fake, cache=None):
    """The record of `evaluate` for two `ImageSet`s: the mean over the classes asked for, and `by_class`.

    real_vs_real is the same of real images, with intervals by patient, for the classes that they have; for the mean,
    only if they have all classes that were asked for. n and real_vs_real_n are all synthetic and real images, since
    their number does not bias a proportion. Labels without class names are indices into the classifier's classes.
    Raises ValueError where the synthetic images have no labels or others than the classifier knows.
    """
    classes = label_classifier.report.get("classes", [])
    if fake.labels is None:
        raise ValueError("a label classifier needs the labels of the synthetic images")
    asked, shown = (_labels_among(classes, each) for each in (fake, real))
    if not classes or (asked < 0).any():
        raise ValueError(f"The classifier knows the classes {classes}, not {list(fake.classes) or 'these labels'}.")
    found = agreement(label_classifier, replace(fake, labels=asked, classes=classes, patients=None), cache)
    known = replace(real, labels=shown, classes=classes).take(np.isin(shown, asked))
    limits = agreement(label_classifier, known, cache) if len(known) else {}
    if set(limits) != set(found):
        limits.pop("mean", None)
    found = {name: _beside_real(record, limits.get(name)) for name, record in found.items()}
    return found.pop("mean") | {
        "patients": None if known.patients is None or not len(known) else len(np.unique(known.patients)),
        "image_size": "{} x {}".format(*fake.pixels.shape[1:3]),
        "extractor": label_classifier.name,
        "weights_sha256": label_classifier.weights_sha256,
        "jpg_quality": real.jpg_quality,
        "by_class": found,
    }


def knows_labels(label_classifier, image_set):
    """Whether this extractor can say if the images of a set show the classes of their labels."""
    classes = label_classifier.report.get("classes")
    return bool(classes) and image_set.labels is not None and bool((_labels_among(classes, image_set) >= 0).all())


def _labels_among(classes, image_set):
    """(N,) labels of a set as indices into `classes`, -1 where unknown."""
    if image_set.labels is None:
        return np.full(len(image_set), -1)
    names = list(image_set.classes) or list(classes)
    index = {label: list(classes).index(name) for label, name in enumerate(names) if name in classes}
    return np.array([index.get(label, -1) for label in image_set.labels.tolist()])


def _over_patients(right, labels, present, patients):
    """(1 + DRAWS, classes): the proportion of each class that is right, over resampled patients; NaN without images."""
    of_class = labels[:, None] == present
    weights = bootstrap_weights(patients, DRAWS)
    with np.errstate(invalid="ignore"):
        return (weights @ (of_class & right[:, None])) / (weights @ of_class)


def _beside_real(record, limit):
    ends = {"value": "real_vs_real", "low": "real_vs_real_low", "high": "real_vs_real_high", "n": "real_vs_real_n"}
    found = record | ({} if limit is None else {name: limit[end] for end, name in ends.items()}) | {"better": "higher"}
    return found | {"interpretation": interpret("label_agreement", found)}
