"""Losses of scores, and gradient penalties.

Scores are the discriminator's outputs without sigmoid, (B, 1) float32; every loss is a float32 scalar, the
mean over the batch.
"""

import math

import keras
import tensorflow as tf


def cross_entropy_of_real(scores):
    """softplus(-score): low where images are classified as real. The discriminator's loss of real images and, of
    generated ones, the generator's non-saturating loss (Goodfellow et al. 2014, arXiv 1406.2661).
    """
    return tf.reduce_mean(tf.nn.softplus(-scores))


def cross_entropy_of_fake(scores):
    """softplus(score): low where images are classified as generated."""
    return tf.reduce_mean(tf.nn.softplus(scores))


def gradient_penalty(score, real, fake, weights):
    """The penalty of WGAN-GP (Gulrajani et al. 2017): mean of (|d score / d image| - 1)^2 between real and fake.

    score: function (B, H, W, C) -> (B, 1); the score of an image must not depend on the batch through BatchNorm. (The
    minibatch standard deviation of PGGAN couples images too; its authors accept that.)
    weights: (B, 1, 1, 1), uniform in [0, 1), one for each pair of images. Returns a float32 scalar.
    """
    return tf.reduce_mean((tf.sqrt(_squared_gradient(score, real + weights * (fake - real), floor=1e-12)) - 1.0) ** 2)


def r1_penalty(score, real):
    """R1 (Mescheder et al. 2018): half the mean squared norm of d score / d image on real images, float32 scalar."""
    return tf.reduce_mean(_squared_gradient(score, real)) / 2.0


def path_lengths(synthesise, ws, noise):
    """(B,) float32: how much a step in w changes each image (Karras et al. 2020, section 3.2).

    synthesise: function ws -> images (B, H, W, C). ws: (B, num_ws, D). noise: (B, H, W, C) standard normal. A path
    length is the norm of the gradient of sum(images * noise) / sqrt(H * W), as the root of the mean square over ws.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(ws)
        images = synthesise(ws)
        total = tf.reduce_sum(images * noise) / math.sqrt(math.prod(images.shape[1:3]))
    squares = tf.reduce_mean(tf.reduce_sum(tape.gradient(total, ws) ** 2, axis=2), axis=1)
    return tf.sqrt(tf.maximum(squares, 1e-12))


def path_length_penalty(lengths, average, mean, decay=0.01):
    """Variance of the path lengths around their running mean (Karras et al. 2020, section 3.2).

    lengths: (B,) from `path_lengths`. average: theirs, over all devices. mean: their running mean, 0 at first.
    Returns the penalty, the mean of (path length - new mean)^2, and the new mean, both float32 scalars; the new mean
    has moved by `decay` towards the average, and no gradient flows through it.
    """
    mean = mean + decay * (tf.stop_gradient(average) - mean)
    return tf.reduce_mean((lengths - mean) ** 2), mean


def _squared_gradient(score, images, floor=0.0):
    """Squared norm of each image's gradient, (B,); at least `floor`, since a square root at 0 has no derivative."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        total = tf.reduce_sum(score(images))
    gradient = tf.cast(tape.gradient(total, images), tf.float32)
    return tf.maximum(tf.reduce_sum(gradient**2, axis=[1, 2, 3]), floor)


def refuse_batch_norm(discriminator):
    """Raise ValueError if BatchNorm couples the images of a batch: a gradient penalty would not be per image."""
    layers = discriminator._flatten_layers()
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        raise ValueError(
            "A gradient penalty needs a discriminator without BatchNorm, which ties each score to the whole batch: "
            'build it with discriminator_norm="none".'
        )
