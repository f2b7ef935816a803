"""Load a trained generator and draw from it: the one way in for notebooks, app and command line."""

from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np

from medgan_tf import networks
from medgan_tf.datasets import ImageSet, input_pipeline
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

    def sample(self, count, label=None, seed=0, truncation=1.0):
        """(count, H, W, 1) uint8. label: a class name or its number, or one for each image; None draws them evenly.

        truncation: psi of w_avg + psi * (w - w_avg), Karras et al. 2019, section B; below 1 images come nearer to the
        average one. The same seed gives the same images. Raises ValueError for a label that the model does not know,
        and for a truncation of a model without styles.
        """
        if truncation != 1:
            return self.synthesise(self.map_latents(count, label, seed, truncation))
        return sampling.sample(self.network, count, self.numbers(count, label), seed)

    def sample_set(self, count, label=None, seed=0, truncation=1.0):
        """The images of `sample` as an `ImageSet` with the labels that were asked for and their classes."""
        images, labels = self.sample(count, label, seed, truncation), self.numbers(count, label)
        return ImageSet(images, labels, classes=self.classes)

    def map_latents(self, count, label=None, seed=0, truncation=1.0):
        """w (count, D) float32 of the images of `sample`. Raises ValueError as it does, and without styles."""
        w_avg, labels = self.styles.w_avg.numpy(), self.numbers(count, label)
        z = sampling.latents(count, self.network.inputs[0].shape[-1], seed)
        inputs = z if labels is None else [z, labels.astype(np.int32)]
        w = input_pipeline.predict(self.network.get_layer("mapping"), inputs, 1000)
        return w_avg + np.float32(truncation) * (w - w_avg)

    def synthesise(self, ws):
        """(n, H, W, 1) uint8 images of ws (n, num_ws, D), a vector for each layer, or (n, D), the same for all."""
        return sampling.images(self.synthesis, self.for_layers(ws))

    def for_layers(self, w):
        """ws (n, num_ws, D) of w (n, D), repeated for each layer; ws are returned as they are."""
        return np.repeat(w[:, None], self.styles.num_ws, axis=1) if np.ndim(w) == 2 else np.asarray(w)

    @cached_property
    def styles(self):
        """The layer that knows `w_avg` (D,) and `num_ws`. Raises ValueError for a model without styles."""
        if "styles" not in [layer.name for layer in self.network.layers]:
            model = self.record["settings"]["architecture"]
            raise ValueError(f"This {model} has no styles to truncate, mix or move: train a stylegan2 or stylegan3.")
        return self.network.get_layer("styles")

    @cached_property
    def synthesis(self):
        """A keras.Model, ws (n, num_ws, D) -> images (n, H, W, 1), nominally in [-1, 1]."""
        ws = keras.Input((self.styles.num_ws, self.styles.w_avg.shape[0]))
        return keras.Model(ws, self.network.get_layer("synthesis")(ws))

    def between_latents(self, steps=8, label=None, seed=0, space="z"):
        """(steps, H, W, 1) uint8: from the first latent of this seed to its second, of one class.

        space: "z", along the sphere; or "w", straight. Raises ValueError for others, and for "w" without styles.
        """
        if space not in ("z", "w"):
            raise ValueError(f"Latents lie in space 'z' or 'w', not '{space}'.")
        label = (label or 0) if self.classes else label
        if space == "w":
            return self.synthesise(np.linspace(*self.map_latents(2, label, seed), steps))
        first, second = sampling.latents(2, self.network.inputs[0].shape[-1], seed)
        return sampling.images(self.network, sampling.interpolate(first, second, steps), self.numbers(steps, label))

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
        network = build_network(self.record, len(rows))
        for new, old in zip(network.weights, self.network.weights, strict=True):
            new.assign(old if new.shape == old.shape else rows @ np.asarray(old))  # only tables of classes differ
        return network

    def numbers(self, count, label):
        """The numbers (count,) of classes as `sample` takes them; None for a model without labels."""
        if self.classes:
            return self._labels(count, label)
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


def build_network(record, classes):
    """The untrained generator that a model.json describes, for so many classes."""
    settings = record["settings"]
    return networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])[0]
