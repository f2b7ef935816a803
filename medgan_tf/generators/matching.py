"""The latent of a generator without styles whose image comes nearest to a real one, by search and gradient descent."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from medgan_tf import metrics
from medgan_tf.generators.inversion import begin, distance, feature_maps, nothing, once, pixels, schedule
from medgan_tf.networks import sampling

CANDIDATES = 256  # random latents among which the search begins
STARTS = 3  # of them, the best, are descended from


class Match(NamedTuple):
    """What the generator makes of n real images, and how near it comes."""

    z: np.ndarray  # (n, latent_dim) float32
    images: np.ndarray  # (n, H, W, 1) uint8
    losses: np.ndarray  # (n,)
    ssim: np.ndarray  # (n,)
    psnr: np.ndarray  # (n,) dB


def match(generator, images, labels=None, extractor=None, steps=150, learning_rate=0.05, seed=0):
    """The `Match` of uint8 images (n, H, W, 1) by an inference.Generator of any architecture.

    labels: the class names or numbers (n,) for a conditional generator. Descends from the best three of 256 random
    latents an image, on the sphere of radius sqrt(latent_dim) on which normal latents lie: a latent far from it may
    come nearer to the image, but means nothing to the generator. The loss is that of `inversion.invert`. A generator
    that has not learned such an image has no near latent; SSIM and PSNR say so. Same seed and machine, same result.
    Raises ValueError for images of another kind or size, and for labels as `Generator.sample` does.
    """
    network, count = generator.network, len(images)
    if images.dtype != np.uint8 or images.shape[1:] != network.output_shape[1:] or count == 0:
        raise ValueError(f"This generator takes uint8 images (n, {network.output_shape[1:]}), not {images.shape}.")
    numbers = generator.numbers(count, labels)
    maps = once(generator, ("maps", extractor), lambda: feature_maps(extractor)) if extractor else nothing
    target = tf.repeat(tf.constant(images / 127.5 - 1, tf.float32), STARTS, axis=0)
    asked = [] if numbers is None else [tf.repeat(tf.constant(numbers, tf.int32), STARTS)]
    latent_dim, wanted = network.inputs[0].shape[-1], maps(target)
    start = _starts(generator, images, numbers, latent_dim, seed)
    z, optimizer, step = once(generator, ("match", count, extractor), lambda: _step(network, start, maps))
    begin(z, start, optimizer)
    for rate in tqdm(learning_rate * schedule(steps)[1], "nearest latent", unit="step", leave=False):
        losses = step(target, wanted, asked, tf.constant(rate, tf.float32))
    losses = losses.numpy().reshape(count, STARTS)
    best = losses.argmin(axis=1)
    found = _on_sphere(z).numpy().reshape(count, STARTS, latent_dim)[np.arange(count), best]
    pictures = sampling.images(network, found, numbers)
    similarity = [measure(images, pictures, paired_by="inversion") for measure in (metrics.ssim, metrics.psnr)]
    return Match(found, pictures, losses.min(axis=1), *similarity)


def _step(network, start, maps):
    """(z, optimizer, step): one compiled step of descent from any start of this shape (n, latent_dim)."""
    z, optimizer = tf.Variable(start), keras.optimizers.Adam()
    optimizer.build([z])

    @tf.function(autograph=False)  # which leaves its code in the temporary folder
    def step(target, wanted, asked, rate):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            fakes = network([_on_sphere(z), *asked] if asked else _on_sphere(z), training=False)
            losses = pixels(fakes - target) + sum(map(distance, maps(fakes), wanted))
        optimizer.learning_rate.assign(rate)
        optimizer.apply([tape.gradient(losses, z)], [z])
        return losses

    return z, optimizer, step


def _on_sphere(z):
    return tf.sqrt(float(z.shape[-1])) * tf.math.l2_normalize(z, axis=-1)


def _starts(generator, images, numbers, latent_dim, seed):
    """(n * STARTS, latent_dim): for each image the random latents whose images have the nearest pixels."""
    z = sampling.latents(CANDIDATES, latent_dim, seed)
    chosen, drawn = [], {}
    for index, image in enumerate(images):
        label = None if numbers is None else int(numbers[index])
        if label not in drawn:
            given = None if label is None else np.full(CANDIDATES, label)
            drawn[label] = sampling.images(generator.network, z, given)
        errors = np.square(drawn[label].astype(np.float32) - image).mean(axis=(1, 2, 3))
        chosen.append(z[errors.argsort()[:STARTS]])
    return np.concatenate(chosen)
