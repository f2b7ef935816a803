"""Synthetic images of requested classes for the augmentation study."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from medgan_tf import datasets, generators, metrics

SEED = 1000  # added to the classifier's seed for training images; 2000 for the rare class, 3000 for test images
MAX_ROUNDS = 50  # of drawing until the classifier has found enough images of every class


@dataclass(frozen=True)
class ImageSource:
    """draw(labels (N,) int, seed) -> uint8 images (N, H, W, 1) of these classes; the same seed, the same images."""

    name: str
    sha256: str  # of the generator: identifies the source of stored results
    draw: Callable
    notes: tuple[str, ...] = ()  # sentences about these images for the report


def conditional_model(run):
    """The name of the first trained conditional model of a config.Run. Raises ValueError where there is none."""
    for name in run.trained():
        if json.loads((run.model(name) / "model.json").read_text())["conditional"]:
            return name
    raise ValueError(
        f"The run {run.name} has no conditional model: run the notebook 04_cgan first, for which data need two classes."
    )


def from_model(model_dir, data, labeller=None):
    """The ImageSource of a trained model, after a check that it was trained on the training split of `data`.

    data: datasets.ImageDataset. A model without labels needs a labeller, a metrics.Extractor with logits that was
    trained on the training split: it classifies each image. Raises ValueError for other patients, classes or sizes.
    """
    model_dir = Path(model_dir)
    generator = generators.load(model_dir)
    record = generator.record
    of_data = json.loads(json.dumps({"classes": data.classes, "image_size": data.image_size}))  # as model.json has it
    for name, wanted in of_data.items():
        if record[name] != wanted:
            found = f"{name} {record[name]}, the data {wanted}"
            raise ValueError(f"The model in {model_dir} has {found}: train it on these.")
    notes = [training_note(record, data.train, model_dir)]
    digest = hashlib.sha256((model_dir / "generator.weights.h5").read_bytes())
    if generator.classes:
        draw = lambda labels, seed: generator.sample(len(labels), labels, seed)  # noqa: E731
        return ImageSource(model_dir.name, digest.hexdigest(), draw, tuple(notes))
    if labeller is None or labeller.report.get("classes") != list(data.classes):
        names = ", ".join(data.classes)
        raise ValueError(f"{model_dir.name} has no classes: give a classifier of {names} to label its images.")
    notes.append(
        f"{model_dir.name} has no classes: a classifier trained on the training split assigned them, so its images"
        " carry no more information about classes than that classifier has."
    )
    digest.update(labeller.weights_sha256.encode())
    return ImageSource(model_dir.name, digest.hexdigest(), partial(_draw_labelled, generator, labeller), tuple(notes))


def training_note(record, train, model_dir):
    """A sentence stating that the model was trained on this split only. Raises ValueError where it is not known to be.

    record: model.json, with the hash of the training patients that the training wrote.
    """
    if "training" not in record:
        raise ValueError(f"The record in {model_dir} does not say which patients it was trained on: train it again.")
    if record["training"] != train.record:
        raise ValueError(
            f"The model in {model_dir} was trained on {record['training']['images']} images of other patients than this"
            f" training split ({len(train)} images): test patients may be among them. Train it on this split."
        )
    return f"{model_dir.name} was trained on the training split only (asserted from its record, by patient)."


def _draw_labelled(generator, labeller, labels, seed):
    """Draw from an unconditional generator until the labeller has found enough images of every class."""
    images = np.zeros((len(labels), *generator.network.output_shape[1:]), np.uint8)
    missing = {label: list(np.flatnonzero(labels == label)) for label in np.unique(labels)}
    for number in range(MAX_ROUNDS):
        drawn = generator.sample(max(256, len(labels) // 4), seed=(seed, number))
        named = metrics.extract(labeller, drawn).logits.argmax(axis=1)
        for label, places in missing.items():
            chosen = drawn[named == label][: len(places)]
            images[places[: len(chosen)]] = chosen
            del places[: len(chosen)]
        if not any(missing.values()):
            return images
    lacking = ", ".join(labeller.report["classes"][label] for label, places in missing.items() if places)
    raise ValueError(f"The generator hardly ever draws images that the classifier calls {lacking}: train it longer.")


class SyntheticImages:
    """The synthetic images of one seed as datasets.ImageSet; drawn when first needed and shared by the arms."""

    def __init__(self, source, train, ratio, seed):
        self.source, self.train, self.ratio, self.seed = source, train, ratio, seed

    @cached_property
    def mixed(self):
        """`ratio` times the number of training images, in their class proportions and random order."""
        order = np.random.default_rng(self.seed).permutation(self.train.labels)
        return self._draw(np.resize(order, round(self.ratio * len(self.train))), SEED)

    @cached_property
    def rare(self):
        """Images of the rarest class: as many as it has fewer than the commonest."""
        label, missing = rarest_class(self.train)
        return self._draw(np.full(missing, label, np.int32), 2 * SEED)

    def like(self, split):
        """Test images: as many of each class as `split` has."""
        return self._draw(split.labels, 3 * SEED)

    def _draw(self, labels, base):
        names = np.array([f"synthetic {number}" for number in range(len(labels))], str)  # each its own patient
        return datasets.ImageSet(self.source.draw(labels, base + self.seed), labels, names, names, self.train.classes)


def rarest_class(train):
    """(label, missing): the class with the fewest images, and how many the commonest has more."""
    labels, counts = np.unique(train.labels, return_counts=True)
    return int(labels[counts.argmin()]), int(counts.max() - counts.min())
