"""What an extractor is, and the one way in which images reach its network."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Features(NamedTuple):
    """Features (N, D) float32 and, where the extractor has classes, logits (N, C) float32, else None."""

    features: np.ndarray
    logits: np.ndarray | None


@dataclass(frozen=True)
class Extractor:
    """A named function from images to features.

    function maps uint8 or uint16 images (N, H, W, 1) to `Features`; it resizes to `image_size` with
    antialiasing, so real and synthetic images go through the same steps. weights_sha256 identifies what it
    computes. `report` holds how a trained extractor was trained and how well it does on held-out images.
    """

    name: str
    weights_sha256: str
    image_size: int
    function: Callable
    model: object = None
    report: dict = field(default_factory=dict)


def prepare(images, image_size, channels=1):
    """uint8, uint16 or float in [-1, 1] (N, H, W, 1) -> float32 (N, image_size, image_size, channels) in [-1, 1].

    Antialiased bicubic, as clean-fid asks for (Parmar et al. 2022); images that are not square are squeezed.
    """
    import tensorflow as tf

    if not images.dtype.is_floating:
        images = tf.cast(images, tf.float32) / (np.iinfo(images.dtype.as_numpy_dtype).max / 2) - 1
    resized = tf.image.resize(images, (image_size, image_size), method="bicubic", antialias=True)
    return tf.repeat(tf.clip_by_value(resized, -1, 1), channels, axis=-1)


def on_images(network, image_size, channels=1, compiled=True):
    """The function of an `Extractor` from a network on prepared images."""
    import tensorflow as tf

    def pipeline(images):
        outputs = network(prepare(images, image_size, channels))
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs, None)

    run = tf.function(pipeline, reduce_retracing=True, autograph=False) if compiled else pipeline

    def function(images):
        features, logits = run(tf.constant(images))
        return Features(_flat(features), None if logits is None else _flat(logits))

    return function


def _flat(tensor):
    array = np.asarray(tensor, np.float32)
    return array.reshape(len(array), -1)
