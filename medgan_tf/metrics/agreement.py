"""Does a generated image show the class that was asked for? An independent classifier answers."""

import numpy as np

from medgan_tf.intervals import proportion

from .features import extract
from .records import interpret

DRAWS = 1000
ENDS = ("value", "low", "high")


def agreement(label_classifier, images, labels, classes, patients=None, cache=None):
    """How often a classifier names the class that an image was made for, class by class.

    judge: features.Extractor with logits, trained on real training images alone, with another seed than the one that
    chose among the generator's states. images: uint8 (N, H, W, 1). labels: (N,) int into `classes`, what was asked
    for (or, of real images, what they are: the judge's own limit). patients: (N,), of real images. cache: folder for
    what the judge answers.

    Returns {class: record} and, as "mean", the mean over classes, in which each counts alike: chance is 1 / classes
    whatever the judge prefers to answer. A record has value, low, high (95%), n and chance; a class also has k and
    `named`, the share of its images that were given each class. Class intervals are Wilson's (1927); that of the mean
    combines them (Zou and Donner 2008). Images of one patient are not independent: with `patients` an interval is that
    over 1,000 resamplings of whole patients where this is wider. Of few patients that is too narrow: in simulations
    with four images alike of each, a truth of 0.7 lay in a class's interval 94% of the time with 30 patients a class,
    but 79% with 5.
    Raises ValueError for a judge without these classes.
    """
    if label_classifier.report.get("classes") != list(classes):
        raise ValueError(f"The judge knows the classes {label_classifier.report.get('classes')}, not {list(classes)}.")
    answers, labels = extract(label_classifier, images, cache).logits.argmax(axis=1), np.asarray(labels)
    chance, present = 1 / len(classes), np.unique(labels)
    records = {}
    for label in present:
        counts = np.bincount(answers[labels == label], minlength=len(classes))
        named = dict(zip(classes, (counts / counts.sum()).tolist(), strict=True))
        records[classes[label]] = proportion(answers[labels == label] == label) | {"chance": chance, "named": named}
    if patients is not None:
        drawn = _over_patients(answers == labels, labels, present, patients)
        for record, values in zip(records.values(), drawn.T, strict=True):
            _widen(record, values)
    value, low, high = (np.array([record[name] for record in records.values()]) for name in ENDS)
    records["mean"] = {
        "value": value.mean(),
        "low": value.mean() - np.sqrt(np.square(value - low).sum()) / len(value),
        "high": value.mean() + np.sqrt(np.square(high - value).sum()) / len(value),
        "n": len(labels),
        "chance": chance,
    }
    if patients is not None:
        _widen(records["mean"], np.nanmean(drawn, axis=1))
    return records


def label_agreement(label_classifier, real, fake, cache=None):
    """The record of `evaluate` for two `folders.Side`: the mean over the classes asked for, and `by_class`.

    The floor is the same of real images, their intervals by patient, and is there for what they have: of the mean, only
    where they have all classes that were asked for. n and floor_n are all synthetic and real images that were looked
    at: a share is not biased by their number. Labels of arrays without names are into the judge's classes.
    Raises ValueError where the synthetic images have no labels or others than the judge knows.
    """
    classes = label_classifier.report.get("classes", [])
    if fake.labels is None:
        raise ValueError("a judge needs the labels of the synthetic images")
    asked, shown = (_among(classes, side) for side in (fake, real))
    if not classes or (asked < 0).any():
        raise ValueError(f"The judge knows the classes {classes}, not {list(fake.classes) or 'these labels'}.")
    found = agreement(label_classifier, fake.images, asked, classes, cache=cache)
    among = np.flatnonzero(np.isin(shown, asked))
    limits, patients = {}, None
    if len(among):
        patients = None if real.patients is None else np.asarray(real.patients)[among]
        limits = agreement(label_classifier, real.images[among], shown[among], classes, patients, cache)
        if set(limits) != set(found):
            del limits["mean"]
    found = {name: _held_against(record, limits.get(name)) for name, record in found.items()}
    return found.pop("mean") | {
        "patients": None if patients is None else len(np.unique(patients)),
        "image_size": "{} x {}".format(*fake.images.shape[1:3]),
        "extractor": label_classifier.name,
        "weights_sha256": label_classifier.weights_sha256,
        "by_class": found,
    }


def knows_labels(label_classifier, fake):
    """Whether this extractor can say if synthetic images, a `folders.Side`, show the class that was asked for."""
    classes = label_classifier.report.get("classes")
    return bool(classes) and fake.labels is not None and bool((_among(classes, fake) >= 0).all())


def _among(classes, side):
    """(N,) labels of a side as places in `classes`, -1 where unknown."""
    if side.labels is None:
        return np.full(len(side.images), -1)
    names = list(side.classes) or list(classes)
    place = {label: list(classes).index(name) for label, name in enumerate(names) if name in classes}
    return np.array([place.get(label, -1) for label in np.asarray(side.labels).tolist()])


def _over_patients(right, labels, present, patients):
    """(1,000, classes): the share of each class that is right over patients drawn with replacement; NaN for none."""
    names, owner = np.unique(patients, return_inverse=True)
    columns = np.searchsorted(present, labels)
    hits, counts = np.zeros((2, len(names), len(present)))
    np.add.at(hits, (owner, columns), right)
    np.add.at(counts, (owner, columns), 1)
    times = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    with np.errstate(invalid="ignore"):
        return (times @ hits) / (times @ counts)


def _widen(record, drawn):
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    record |= {"low": min(record["low"], float(low)), "high": max(record["high"], float(high))}


def _held_against(record, limit):
    real_vs_real = (
        {}
        if limit is None
        else {"real_vs_real": limit["value"], "real_vs_real_low": limit["low"], "real_vs_real_high": limit["high"]}
    )
    real_vs_real |= {} if limit is None else {"real_vs_real_n": limit["n"]}
    held = record | real_vs_real | {"better": "higher"}
    return held | {"interpretation": interpret("label_agreement", held)}
