"""Features of images: what an `Extractor` is, how images reach its network, and `extract`, which keeps a cache.

Every number computed from features is recorded with the extractor's name and the hash of its weights; numbers from
different extractors cannot be compared.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from medgan_tf.datasets import ImageSet
from medgan_tf.files import atomic_write

BATCH = 64


class Features(NamedTuple):
    """Features (N, D) float32 and, if the extractor has classes, logits (N, C) float32, else None."""

    features: np.ndarray
    logits: np.ndarray | None


@dataclass(frozen=True)
class Extractor:
    """A named function from images to features.

    function maps uint8 or uint16 images (N, H, W, C) to `Features`; it resizes them to `image_size` with
    antialiasing, so that real and synthetic images go through the same steps. weights_sha256 identifies what it
    computes. `report` says how a trained extractor was trained and how well it does on held-out images.
    """

    name: str
    weights_sha256: str
    image_size: int
    function: Callable
    model: object = None
    report: dict = field(default_factory=dict)


def prepare(images, image_size, channels=1):
    """uint8, uint16 or float in [-1, 1] (N, H, W, C) -> float32 (N, image_size, image_size, channels) in [-1, 1].

    Where the numbers of channels differ, each becomes the mean of the image's: grey is repeated. Antialiased bicubic,
    as in clean-fid (Parmar et al. 2022); images that are not square are resized to a square.
    """
    import tensorflow as tf

    if not images.dtype.is_floating:
        images = tf.cast(images, tf.float32) / (np.iinfo(images.dtype.as_numpy_dtype).max / 2) - 1
    resized = tf.image.resize(images, (image_size, image_size), method="bicubic", antialias=True)
    if resized.shape[-1] not in (1, channels):
        resized = tf.reduce_mean(resized, axis=-1, keepdims=True)
    resized = tf.clip_by_value(resized, -1, 1)
    return resized if resized.shape[-1] == channels else tf.repeat(resized, channels, axis=-1)


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


def extract(extractor, images, cache=None):
    """`Features` of an `ImageSet` (as 8 bits) or of an array uint8 or uint16 (N, H, W, C), computed in batches.

    With a `cache` folder they are stored there under a hash of the images, the extractor's name and its weights, and
    read from there the next time. Raises ValueError for other arrays.
    """
    images = images.images if isinstance(images, ImageSet) else np.asarray(images)
    if images.ndim != 4 or images.dtype not in (np.uint8, np.uint16) or len(images) == 0:
        raise ValueError(f"images must be uint8 or uint16 (N, H, W, C), not {images.dtype} {images.shape}")
    path = Path(cache) / f"{_content_hash(extractor, images)}.npz" if cache else None
    if path and path.exists():
        with np.load(path) as stored:
            return Features(stored["features"], stored.get("logits"))
    batches = range(0, len(images), BATCH)
    parts = [
        extractor.function(images[i : i + BATCH])
        for i in tqdm(batches, f"{extractor.name} features", unit="batch", leave=False)
    ]
    features = Features(*(None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)))
    if path:
        known = {name: array for name, array in features._asdict().items() if array is not None}
        atomic_write(path, lambda temporary: np.savez(temporary, **known))
    return features


def _content_hash(extractor, images):
    digest = hashlib.sha256(np.ascontiguousarray(images))
    made_by = f"{extractor.name} {extractor.image_size} {extractor.weights_sha256}"
    digest.update(f"{images.dtype} {images.shape} {made_by}".encode())
    return digest.hexdigest()


def _flat(tensor):
    array = np.asarray(tensor, np.float32)
    return array.reshape(len(array), -1)
