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
        settings = record["settings"]
        classes = len(record["classes"]) if record["conditional"] else 0
        network, _ = networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])
        network.load_weights(weights)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"The model in {model_dir} is damaged ({error}); train it again.") from error
    return Generator(network, record)
