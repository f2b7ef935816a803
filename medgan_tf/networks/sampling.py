"""From latents to uint8 images: the only place where latents are drawn and network outputs become integers."""

import numpy as np

from medgan_tf.datasets.input_pipeline import predict
from medgan_tf.sources import displayed


def latents(count, latent_dim, seed):
    """Standard normal latents (count, latent_dim) float32; the first rows do not depend on count."""
    return np.random.default_rng(seed).standard_normal((count, latent_dim)).astype(np.float32)


def interpolate(first, second, steps):
    """Latents (steps, latent_dim) from first to second, each (latent_dim,), by spherical interpolation.

    Normal latents lie near a sphere, which a straight line would leave (White 2016, arXiv 1609.04468).
    """
    weights = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    cosine = np.dot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return first + weights * (second - first)
    return (np.sin((1 - weights) * angle) * first + np.sin(weights * angle) * second) / np.sin(angle)


def sample(generator, count, labels=None, seed=0):
    """Draw `count` images, (count, H, W, C) uint8. labels: (count,) int, for a conditional generator only."""
    return images(generator, latents(count, generator.inputs[0].shape[-1], seed), labels)


def images(generator, z, labels=None, batch_size=64):
    """Images (n, H, W, C) uint8 of the latents z (n, latent_dim); labels as for `sample`."""
    inputs = [z, np.asarray(labels, np.int32)] if len(generator.inputs) > 1 else z
    return to_uint8(predict(generator, inputs, batch_size))


def to_uint8(images):
    """Map floats in [-1, 1] to integers 0 to 255, rounded to the nearest; values outside are clipped."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def tile(images, columns):
    """Join images (n, H, W, C), as `displayed`, row by row into one grid; empty places are black."""
    pictures = np.stack([displayed(image) for image in images])
    rows = -(-len(pictures) // columns)
    height, width, *colours = pictures.shape[1:]
    blank = np.zeros((rows * columns - len(pictures), *pictures.shape[1:]), pictures.dtype)
    grid = np.concatenate([pictures, blank]).reshape(rows, columns, height, width, *colours)
    return np.ascontiguousarray(grid.swapaxes(1, 2).reshape(rows * height, columns * width, *colours))
