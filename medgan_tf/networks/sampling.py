"""Images from a generator: the one place where latents are drawn and outputs become integers."""

import numpy as np

from medgan_tf.datasets.input_pipeline import predict


def latents(count, latent_dim, seed):
    """(count, latent_dim) float32 standard normal; the first rows are the same for any count."""
    return np.random.default_rng(seed).standard_normal((count, latent_dim)).astype(np.float32)


def interpolate(first, second, steps):
    """(steps, latent_dim): from one latent to another along the sphere, where normal latents lie (White 2016)."""
    between = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    cosine = np.dot(first, second) / (np.linalg.norm(first) * np.linalg.norm(second))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return first + between * (second - first)
    return (np.sin((1 - between) * angle) * first + np.sin(between * angle) * second) / np.sin(angle)


def sample(generator, count, labels=None, seed=0):
    """Draw `count` images, (count, H, W, C) uint8. labels: (count,) int, for a conditional generator only."""
    return images(generator, latents(count, generator.inputs[0].shape[-1], seed), labels)


def images(generator, z, labels=None, batch_size=64):
    """The images of latents (n, latent_dim), (n, H, W, C) uint8; labels as for `sample`."""
    inputs = [z, np.asarray(labels, np.int32)] if len(generator.inputs) > 1 else z
    return to_uint8(predict(generator, inputs, batch_size))


def to_uint8(images):
    """[-1, 1] float to 0..255, rounded to the nearest."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def tile(images, columns):
    """(n, H, W, 1) images as one (rows * H, columns * W) picture, row by row; the last row is filled with black."""
    rows = -(-len(images) // columns)
    height, width = images.shape[1:3]
    blank = np.zeros((rows * columns - len(images), height, width, 1), images.dtype)
    grid = np.concatenate([images, blank])[..., 0].reshape(rows, columns, height, width)
    return np.ascontiguousarray(grid.swapaxes(1, 2).reshape(rows * height, columns * width))
