"""Does a generated image show the class that was asked for? An independent classifier answers."""

import numpy as np

from medgan_tf.phantoms import share

from .features import extract


def agreement(judge, images, labels, classes):
    """How often a classifier names the class that an image was made for, class by class.

    judge: features.Extractor with logits, trained on real training images alone, with another seed than the one that
    chose among the generator's states. images: uint8 (N, H, W, 1). labels: (N,) int into `classes`, what was asked
    for (or, of real images, what they are: the judge's own limit).

    Returns {class: record} and, as "mean", the mean over classes, in which each counts alike: chance is 1 / classes
    whatever the judge prefers to answer. A record has value, low, high (95%), n and chance; a class also has `named`,
    the share of its images that were given each class. Class intervals are Wilson's (1927); that of the mean combines
    them (Zou and Donner 2008). Images count as independent, which several of one patient are not quite.
    Raises ValueError for a judge without these classes.
    """
    if judge.report.get("classes") != list(classes):
        raise ValueError(f"The judge knows the classes {judge.report.get('classes')}, not {list(classes)}.")
    answers, labels = extract(judge, images).logits.argmax(axis=1), np.asarray(labels)
    chance = 1 / len(classes)
    records = {}
    for label in np.unique(labels):
        counts = np.bincount(answers[labels == label], minlength=len(classes))
        named = dict(zip(classes, (counts / counts.sum()).tolist(), strict=True))
        records[classes[label]] = share(answers[labels == label] == label) | {"chance": chance, "named": named}
    value, low, high = (np.array([record[name] for record in records.values()]) for name in ("value", "low", "high"))
    records["mean"] = {
        "value": value.mean(),
        "low": value.mean() - np.sqrt(np.square(value - low).sum()) / len(value),
        "high": value.mean() + np.sqrt(np.square(high - value).sum()) / len(value),
        "n": len(labels),
        "chance": chance,
    }
    return records
