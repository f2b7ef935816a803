"""Membership inference: can someone who has an image tell whether a generator was trained on it? Two attacks."""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from medgan_tf.intervals import bootstrap, widen, wilson

from .registration import most_similar

FALSE_POSITIVE_RATE = 0.01
GRID = np.unique(np.concatenate([np.geomspace(1e-3, 1, 61), np.linspace(0, 1, 41)]))


def discriminator_attack(gan, members, others):
    """(scores of members, scores of others), higher where the discriminator rates the image as more real.

    LOGAN (Hayes et al. 2019, arXiv 1705.07663), white box: an overfitted discriminator scores what it was trained on
    higher than other real images. It needs the discriminator, which is not usually published. members, others:
    datasets.ImageSet. They are shuffled together, since some discriminators compare the images of a batch.
    """
    images = np.concatenate([members.images, others.images])
    labels = np.concatenate([members.labels, others.labels])
    order = np.random.default_rng(0).permutation(len(images))
    scores = np.empty(len(images))
    scores[order] = gan.scores(images[order], labels[order])
    return scores[: len(members)], scores[len(members) :]


def distance_attack(synthetic, members, others, reference):
    """(scores of members, scores of others), higher where an image is unusually near to a synthetic one.

    GAN-Leaks (Chen et al. 2020, arXiv 1909.03935), full black box: the distance to the nearest of many synthetic
    images, calibrated by the distance to images that it cannot have influenced, because some images are near to
    everything. The reference is the attacker's own set of real images, datasets.ImageSet, of patients in neither group.
    Distances are 1 - correlation after registration, since features may have been learned from the members.
    """
    groups = members.images, others.images
    return tuple(most_similar(each, synthetic)[1] - most_similar(each, reference.images)[1] for each in groups)


def attack_record(members, others, member_patients, other_patients, seed=0):
    """The success of an attack: AUC, and the true-positive rate at a false-positive rate of 1%.

    members, others: scores (n,), (m,). Returns {"auc": {value, low, high}, "tpr": the same, "fpr", "members", "others",
    "member_patients", "other_patients", "roc": {fpr, tpr}}; 95% intervals over resampled patients. Chance is 0.5 and
    0.01.
    """
    groups = (member_patients, other_patients)
    auc = bootstrap(lambda m, o: roc_auc_score(*_labelled(members[m], others[o])), groups, seed=seed)
    tpr = bootstrap(lambda m, o: _tpr(members[m], others[o]), groups, seed=seed)
    patients = len(set(member_patients))
    tpr = widen(tpr, wilson(round(tpr["value"] * patients), patients))  # a bootstrap at 0 or 1 has no width
    false, true, _ = roc_curve(*_labelled(members, others))
    return {
        "auc": auc,
        "tpr": tpr,
        "fpr": FALSE_POSITIVE_RATE,
        "members": len(members),
        "others": len(others),
        "member_patients": patients,
        "other_patients": len(set(other_patients)),
        "roc": {"fpr": GRID, "tpr": np.interp(GRID, false, true)},
    }


def _labelled(members, others):
    return np.repeat([1, 0], [len(members), len(others)]), np.concatenate([members, others])


def _tpr(members, others):
    """True-positive rate at the lowest threshold that at most 1% of the others exceed."""
    return float((members > np.quantile(others, 1 - FALSE_POSITIVE_RATE, method="higher")).mean())
