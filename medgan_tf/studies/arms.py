"""The arms of the augmentation study: the training images of each classifier, and the comparisons between them."""

from dataclasses import dataclass

import numpy as np

from medgan_tf import datasets

from .synthetic_images import rarest_class


@dataclass(frozen=True)
class Arm:
    """The training images of one classifier. Ratios are to the whole real training split, in its class proportions."""

    name: str
    fraction: float = 1.0  # of the real training images, whole patients of each class
    synthetic: float = 0.0  # ratio of synthetic images
    duplicated: float = 0.0  # ratio of repeated real images
    classical: bool = False  # shifts, small rotations, zoom, brightness, contrast
    rare: str = ""  # "synthetic" or "duplicated" images bring the rarest class up to the size of the commonest
    tested_on: str = "real"

    @property
    def real(self):
        """Whether the arm uses real images only, and so no generator."""
        return not self.synthetic and self.rare != "synthetic" and self.tested_on == "real"


@dataclass(frozen=True)
class Comparison:
    """An arm and its reference; Holm's correction is over the comparisons of one family."""

    arm: str
    reference: str
    family: str


REAL = Arm("real only")
CLASSICAL = Arm("real + classical", classical=True)
DUPLICATED = Arm("real + duplicated real", duplicated=1)
SYNTHETIC_ONLY = Arm("synthetic only (TSTR)", fraction=0, synthetic=1)
ON_SYNTHETIC = Arm("tested on synthetic (TRTS)", tested_on="synthetic")
RARE_DUPLICATED = Arm("rare class duplicated", rare="duplicated")
RARE_SYNTHETIC = Arm("rare class topped up", rare="synthetic")


def plan(settings):
    """(arms, comparisons) of the study; settings: config.AugmentationStudyConfig."""
    mixed = [Arm(f"real + {ratio:g} synthetic", synthetic=ratio) for ratio in settings.ratios]
    main = [CLASSICAL, DUPLICATED, *mixed, SYNTHETIC_ONLY]
    arms = [REAL, *main, ON_SYNTHETIC, RARE_DUPLICATED, RARE_SYNTHETIC]
    comparisons = [Comparison(arm.name, REAL.name, "main") for arm in main]
    comparisons += [Comparison(arm.name, CLASSICAL.name, "classical") for arm in mixed]
    comparisons += [Comparison(arm.name, DUPLICATED.name, "duplicated") for arm in mixed if arm.synthetic == 1]
    comparisons += [Comparison(arm.name, REAL.name, "rare class") for arm in (RARE_DUPLICATED, RARE_SYNTHETIC)]
    comparisons.append(Comparison(RARE_SYNTHETIC.name, RARE_DUPLICATED.name, "rare class"))
    for fraction, alone, helped in learning_curve(settings):
        if 0 < fraction < 1:
            arms += [Arm(alone, fraction), Arm(helped, fraction, synthetic=1)]
            comparisons.append(Comparison(helped, alone, "small data"))
    return arms, comparisons


def learning_curve(settings):
    """[(fraction of the real images, name of the arm with these, name of the arm with synthetic images added)]."""
    names = {fraction: f"{fraction:.0%} of real" for fraction in settings.fractions}
    parts = [(fraction, name, f"{name} + synthetic") for fraction, name in names.items()]
    whole = [(1.0, REAL.name, "real + 1 synthetic")] if 1 in settings.ratios else []
    return [(0.0, None, SYNTHETIC_ONLY.name), *parts, *whole]


def compose(arm, train, synthetic, seed):
    """The datasets.ImageSet that the classifier of this arm and seed is trained on.

    train: the real training split. synthetic: synthetic_images.SyntheticImages of this seed. Synthetic images of a
    smaller ratio are the first of those of a larger one.
    """
    parts = [subset(train, arm.fraction, seed)]
    order = np.random.default_rng(seed).permutation(len(train))
    if arm.duplicated:
        parts.append(train.take(np.resize(order, round(arm.duplicated * len(train)))))
    if arm.synthetic:
        parts.append(synthetic.mixed.take(slice(round(arm.synthetic * len(train)))))
    if arm.rare == "duplicated":
        label, missing = rarest_class(train)
        parts.append(train.take(np.resize(order[train.labels[order] == label], missing)))
    if arm.rare == "synthetic":
        parts.append(synthetic.rare)
    return datasets.join(parts)


def subset(train, fraction, seed):
    """Draw whole patients of each class, at least one, until they have this fraction of the class's images.

    Patients of a smaller fraction are among those of a larger one.
    """
    if fraction == 0:
        return train.take(slice(0, 0))
    owner, classes = classes_of_patients(train.patients, train.labels)
    counts = np.bincount(owner)
    kept = []
    for label in np.unique(classes):
        order = np.random.default_rng((seed, int(label))).permutation(np.flatnonzero(classes == label))
        images = counts[order].cumsum()
        kept += list(order[: 1 + np.searchsorted(images, round(fraction * images[-1]))])
    return train.take(np.isin(owner, kept))


def classes_of_patients(patients, labels):
    """(owner (N,), classes (P,)): the index of each image's patient, and the class of most images of each patient."""
    names, owner = np.unique(patients, return_inverse=True)
    counts = np.zeros((len(names), labels.max() + 1), int)
    np.add.at(counts, (owner, labels), 1)
    return owner, counts.argmax(axis=1)
