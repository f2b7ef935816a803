"""A trained generator: draw images, style vectors and paths between latents or classes."""

from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np

from medgan_tf import networks
from medgan_tf.datasets import ImageSet, input_pipeline
from medgan_tf.networks import sampling


@dataclass(frozen=True)
class Generator:
    """A trained generator (keras.Model) and the record of its training (model.json); `load` makes one."""

    network: object
    record: dict

    @property
    def classes(self):
        """The class names that `label` accepts; empty for an unconditional model."""
        return tuple(self.record["classes"]) if self.record["conditional"] else ()

    def sample(self, count, label=None, seed=0, truncation=1.0):
        """Draw images (count, H, W, 1) uint8; the same seed gives the same images.

        label: a class name or number for all images, or a list with one for each; None takes the classes in turn.
        truncation: psi in w_avg + psi * (w - w_avg) (Karras et al. 2019, appendix B); below 1, images are less varied
        and closer to the average image. Raises ValueError for an unknown label, for any label of an unconditional
        model, and for truncation of a model without styles.

        >>> model.sample(3, label=["normal", "normal", "viral_pneumonia"], seed=7)
        """
        if truncation != 1:
            return self.synthesise(self.map_latents(count, label, seed, truncation))
        return sampling.sample(self.network, count, self.numbers(count, label), seed)

    def sample_set(self, count, label=None, seed=0, truncation=1.0):
        """The images of `sample` as an `ImageSet` with the labels that were asked for and their classes."""
        images, labels = self.sample(count, label, seed, truncation), self.numbers(count, label)
        return ImageSet(images, labels, classes=self.classes)

    def map_latents(self, count, label=None, seed=0, truncation=1.0):
        """w (count, D) float32 of the images that `sample` draws. Raises ValueError as it does, and without styles."""
        w_avg, labels = self.styles.w_avg.numpy(), self.numbers(count, label)
        z = sampling.latents(count, self.network.inputs[0].shape[-1], seed)
        inputs = z if labels is None else [z, labels.astype(np.int32)]
        w = input_pipeline.predict(self.network.get_layer("mapping"), inputs, 1000)
        return w_avg + np.float32(truncation) * (w - w_avg)

    def synthesise(self, ws):
        """Images (n, H, W, 1) uint8 of style vectors: (n, num_ws, D), one for each layer, or (n, D) for all layers."""
        return sampling.images(self.synthesis, self.for_layers(ws))

    def for_layers(self, w):
        """ws (n, num_ws, D): w (n, D) repeated for each layer; ws are returned unchanged."""
        return np.repeat(w[:, None], self.styles.num_ws, axis=1) if np.ndim(w) == 2 else np.asarray(w)

    @cached_property
    def styles(self):
        """The layer with `w_avg` (D,) and `num_ws`. Raises ValueError for a model without styles."""
        if "styles" not in [layer.name for layer in self.network.layers]:
            architecture = self.record["settings"]["architecture"]
            raise ValueError(f"This {architecture} has no styles to truncate, mix or move: use stylegan2 or stylegan3.")
        return self.network.get_layer("styles")

    @cached_property
    def synthesis(self):
        """A keras.Model from ws (n, num_ws, D) to images (n, H, W, 1), nominally in [-1, 1]."""
        ws = keras.Input((self.styles.num_ws, self.styles.w_avg.shape[0]))
        return keras.Model(ws, self.network.get_layer("synthesis")(ws))

    def between_latents(self, steps=8, label=None, seed=0, space="z"):
        """Images (steps, H, W, 1) uint8 from this seed's first latent to its second, of one class.

        space: "z" interpolates on the sphere, "w" linearly. Raises ValueError for another space, and for "w" of a model
        without styles.
        """
        if space not in ("z", "w"):
            raise ValueError(f"Latents are interpolated in space 'z' or 'w', not '{space}'.")
        label = (label or 0) if self.classes else label
        if space == "w":
            return self.synthesise(np.linspace(*self.map_latents(2, label, seed), steps))
        first, second = sampling.latents(2, self.network.inputs[0].shape[-1], seed)
        return sampling.images(self.network, sampling.interpolate(first, second, steps), self.numbers(steps, label))

    def between_classes(self, first, second, steps=8, seed=0):
        """Images (steps, H, W, 1) uint8 of one latent, from class `first` to class `second`.

        The weights of both classes are interpolated linearly. The images in between belong to no class of the training
        data: they show what the label changes, not a stage of a disease. Raises ValueError as `sample` does.
        """
        start, end = np.eye(len(self.classes))[self.numbers(2, [first, second])]
        weights = np.linspace(0, 1, steps)[:, None]
        network = self._with_classes((1 - weights) * start + weights * end)
        z = sampling.latents(1, self.network.inputs[0].shape[-1], seed)
        return sampling.images(network, np.repeat(z, steps, axis=0), np.arange(steps))

    def _with_classes(self, mixtures):
        """The network with one more class for each row of mixtures (n, classes), before its own classes."""
        rows = np.concatenate([mixtures, np.eye(len(self.classes))]).astype(np.float32)
        network = build_network(self.record, len(rows))
        for new, old in zip(network.weights, self.network.weights, strict=True):
            new.assign(old if new.shape == old.shape else rows @ np.asarray(old))  # only label tables differ in shape
        return network

    def numbers(self, count, label):
        """Class numbers (count,) of a `label` as `sample` accepts it; None for an unconditional model."""
        if not self.classes and label is not None:
            raise ValueError(f"This {self.record['settings']['architecture']} knows no classes; leave the label out.")
        if label is None:
            return np.arange(count) % len(self.classes) if self.classes else None
        labels = [label] * count if isinstance(label, str | int | np.integer) else list(label)
        numbers = [self.classes.index(name) if name in self.classes else name for name in labels]
        unknown = [number for number in numbers if number not in range(len(self.classes))]
        if unknown or len(numbers) != count:
            raise ValueError(f"Give one label or {count} of {', '.join(self.classes)}; not {labels[:3]}.")
        return np.array(numbers)


def build_network(record, num_classes):
    """The untrained generator that a model.json describes, with this number of classes."""
    settings = record["settings"]
    return networks.build(settings["architecture"], record["image_size"], num_classes, **settings["network"])[0]
