"""Load a trained generator and draw from it: the one way in for notebooks, app and command line."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medgan_tf import networks
from medgan_tf.networks import sampling


@dataclass(frozen=True)
class Generator:
    """A trained generator with what was recorded of its training (model.json)."""

    network: object
    record: dict

    @property
    def classes(self):
        """The class names that `label` may take; empty for a model without labels."""
        return tuple(self.record["classes"]) if self.record["conditional"] else ()

    def sample(self, count, label=None, seed=0):
        """(count, H, W, 1) uint8. label: a class name or its number, or one for each image; None draws them evenly.

        The same seed gives the same images. Raises ValueError for a label that the model does not know.
        """
        labels = self._labels(count, label) if self.classes else self._no_labels(label)
        return sampling.sample(self.network, count, labels, seed)

    def between_latents(self, steps=8, label=None, seed=0):
        """(steps, H, W, 1) uint8: from the first latent of this seed to its second, of one class."""
        first, second = sampling.latents(2, self.network.inputs[0].shape[-1], seed)
        labels = self._labels(steps, label or 0) if self.classes else self._no_labels(label)
        return sampling.images(self.network, sampling.interpolate(first, second, steps), labels)

    def between_classes(self, first, second, steps=8, seed=0):
        """(steps, H, W, 1) uint8: one latent, from class `first` to class `second`.

        The weights that belong to a class are mixed linearly. Images between classes are of no class that the model
        has seen: they show what the label changes, not a stage of a disease. Raises ValueError as `sample` does.
        """
        start, end = np.eye(len(self.classes))[self._labels(2, [first, second])]
        between = np.linspace(0, 1, steps)[:, None]
        network = self._with_classes((1 - between) * start + between * end)
        z = sampling.latents(1, self.network.inputs[0].shape[-1], seed)
        return sampling.images(network, np.repeat(z, steps, axis=0), np.arange(steps))

    def _with_classes(self, mixtures):
        """The network with a class for each row of mixtures (n, classes), before its own classes."""
        rows = np.concatenate([mixtures, np.eye(len(self.classes))]).astype(np.float32)
        network = _network(self.record, len(rows))
        for new, old in zip(network.weights, self.network.weights, strict=True):
            new.assign(old if new.shape == old.shape else rows @ np.asarray(old))  # only tables of classes differ
        return network

    def _no_labels(self, label):
        if label is not None:
            raise ValueError(f"This {self.record['settings']['architecture']} knows no classes; leave the label out.")

    def _labels(self, count, label):
        if label is None:
            return np.arange(count) % len(self.classes)
        wanted = [label] * count if isinstance(label, str | int | np.integer) else list(label)
        numbers = [self.classes.index(name) if name in self.classes else name for name in wanted]
        unknown = [number for number in numbers if number not in range(len(self.classes))]
        if unknown or len(numbers) != count:
            raise ValueError(f"Give one label or {count} of {', '.join(self.classes)}; not {wanted[:3]}.")
        return np.array(numbers)


def load(model_dir):
    """The Generator in a folder that `fitting.fit` wrote. Raises ValueError, with the remedy, if it is not one."""
    model_dir = Path(model_dir)
    record_path, weights = model_dir / "model.json", model_dir / "generator.weights.h5"
    for path in (record_path, weights):
        if not path.exists():
            raise ValueError(f"{model_dir} holds no trained model: {path.name} is missing.")
    try:
        record = json.loads(record_path.read_text())
        network = _network(record, len(record["classes"]) if record["conditional"] else 0)
        network.load_weights(weights)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"The model in {model_dir} is damaged ({error}); train it again.") from error
    return Generator(network, record)


def _network(record, classes):
    settings = record["settings"]
    return networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])[0]
