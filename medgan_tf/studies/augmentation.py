"""Do synthetic images help a classifier? Classifiers with different training images on the same real test split.

Generators and classifiers are trained on the training split only. All classifiers take the same number of optimizer
steps, and no checkpoint is selected. Operating points are chosen on the validation split. The test split is used once,
after a training has ended. Arms are compared image by image and seed by seed.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from medgan_tf.datasets import SPLITS
from medgan_tf.files import atomic_write
from medgan_tf.studies import arms as design

from .arm_comparison import compare_arms, mean_over_seeds, stratified_weights
from .augmentation_report import interpret_study
from .classifier import Classifier
from .classifier_measures import MEASURES, measure_classifier, operating_points
from .synthetic_images import SyntheticImages, rarest_class


def study(data, source, settings, journal):
    """Train what is missing, compare, and return the content of one section of results.json.

    data: datasets.ImageDataset. source: synthetic_images.ImageSource. settings: config.AugmentationStudyConfig.
    journal: a folder for the outputs of each trained classifier, so that an interrupted study can continue; outputs of
    other data, settings or another source are replaced. Raises ValueError for one class and for a split that lacks one.
    """
    check(data)
    arms, comparisons = design.plan(settings)
    answers = train_all(arms, data, source, settings, Path(journal))
    weights = {
        "real": stratified_weights(data.test.patients, data.test.labels, settings.resamples),
        "synthetic": stratified_weights(np.arange(len(data.test)), data.test.labels, settings.resamples),
    }

    def measure(logits, weights):
        thresholds = operating_points(logits["validation"], data.validation.labels, settings.specificity)
        return measure_classifier(logits["test"], data.test.labels, thresholds, weights)

    measured = {arm.name: [measure(each, weights[arm.tested_on]) for each in answers[arm.name]] for arm in arms}
    label, missing = rarest_class(data.train)
    names, shown = [*data.classes, "mean"], (label, len(data.classes))
    cells = [(kind, column) for kind in MEASURES for column in shown if (kind, column) != ("calibration_error", label)]
    content = {
        "settings": asdict(settings),
        "source": {"name": source.name, "sha256": source.sha256, "notes": source.notes},
        "splits": {split: getattr(data, split).record for split in SPLITS},
        "rare_class": {"name": data.classes[label], "topped_up_by": missing},
        "arms": [
            {"arm": name, "class": names[column], "measure": kind} | clipped_mean(seeds, kind, column)
            for name, seeds in measured.items()
            for kind, column in cells
        ],
        "curve": [
            {"images": round(fraction * len(data.train)), "real": alone, "real + synthetic": helped}
            for fraction, alone, helped in design.learning_curve(settings)
        ],
        "comparisons": compare_arms(measured, comparisons, names, label),
    }
    return content | {"verdict": interpret_study(content)}


def clipped_mean(seeds, kind, column):
    """{value, low, high} of one measure, within 0 to 1; column: the class, or the last for the mean of all."""
    found = mean_over_seeds(np.stack([measures[kind][:, column] for measures in seeds]))
    return {"value": found["value"], "low": max(found["low"], 0.0), "high": min(found["high"], 1.0)}


def check(data):
    """Raise ValueError unless there are several classes and each split has every class."""
    if len(data.classes) < 2:
        raise ValueError(f"{data.name} has one class, '{data.classes[0]}': there is nothing to classify.")
    for name in SPLITS:
        absent = set(range(len(data.classes))) - set(getattr(data, name).labels.tolist())
        if absent:
            raise ValueError(f"The {name} split has no image of '{data.classes[min(absent)]}'; add patients of it.")


def train_all(arms, data, source, settings, journal):
    """{arm: [{"validation": logits (V, C), "test": logits (T, C)} for each seed]}, read from the journal if there."""
    wanted = [(arm, seed) for seed in settings.seeds for arm in arms]
    paths = {(arm, seed): _path(journal, arm, seed, source) for arm, seed in wanted}
    prints = _fingerprints(wanted, data, source, settings)
    answers = {job: _stored(paths[job], prints[job]) for job in wanted}
    missing = [job for job, logits in answers.items() if logits is None]
    classifier_for = cache(partial(Classifier, data.image_size, len(data.classes), settings))
    synthetic_for = lru_cache(1)(partial(SyntheticImages, source, data.train, max(settings.ratios, default=1)))
    with tqdm(None, "classifiers", len(missing) * settings.steps, unit="step", disable=not missing) as bar:
        for arm, seed in missing:
            bar.set_postfix_str(f"{arm.name}, seed {seed}")
            classifier, synthetic = classifier_for(arm.classical), synthetic_for(seed)
            classifier.train(design.compose(arm, data.train, synthetic, seed), seed, bar.update)
            test = data.test if arm.tested_on == "real" else synthetic.like(data.test)
            logits = {"validation": classifier.logits(data.validation.images), "test": classifier.logits(test.images)}
            atomic_write(paths[arm, seed], partial(np.savez, fingerprint=prints[arm, seed], **logits))
            answers[arm, seed] = logits
    return {arm.name: [answers[arm, seed] for seed in settings.seeds] for arm in arms}


def _path(journal, arm, seed, source):
    name = "".join(letter if letter.isalnum() else "_" for letter in arm.name)
    return journal / ("real" if arm.real else source.name) / f"{name}_seed{seed}.npz"


def _fingerprints(wanted, data, source, settings):
    """{(arm, seed): hash of everything that the logits depend on}."""
    digest = hashlib.sha256()
    for split in (data.train, data.validation, data.test):
        for array in (split.images, split.labels, np.char.encode(split.patients)):
            digest.update(np.ascontiguousarray(array))
    # None is where earlier versions had a setting, so that the logits they stored are still found
    known = [digest.hexdigest(), settings.steps, settings.backbone, None, settings.batch_size, settings.learning_rate]
    drawn = [source.sha256, max(settings.ratios, default=1)]
    parts = {(arm, seed): [known, asdict(arm), seed, None if arm.real else drawn] for arm, seed in wanted}
    return {job: hashlib.sha256(json.dumps(part).encode()).hexdigest() for job, part in parts.items()}


def _stored(path, fingerprint):
    """The logits in a file of the journal; None where there is none or it is of another training."""
    if path.exists():
        with np.load(path) as stored:
            if stored["fingerprint"] == fingerprint:
                return {name: stored[name] for name in ("validation", "test")}
    return None
