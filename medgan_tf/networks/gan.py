"""The fully connected GAN (Goodfellow et al. 2014, arXiv 1406.2661): both networks treat an image as one long vector.

This is the architecture named "gan"; the training loop of every architecture is `medgan_tf.training.gan.GAN`.
"""

import math

import keras
from keras import layers

from medgan_tf.networks.layers import LeakyReLU
from medgan_tf.networks.replicas import batch_normalisation


def build(image_size, num_classes=0, channels=1, latent_dim=100, units=256):
    """A generator with hidden layers of (units, 2 units, 4 units) and a discriminator with the same in reverse."""
    if num_classes:
        raise ValueError("The fully connected GAN takes no labels; build it with num_classes=0, or choose 'cgan'.")
    shape = (*image_size, channels)
    return generator(shape, latent_dim, units), discriminator(shape, units)


def generator(shape, latent_dim, units):
    """(B, latent_dim) -> (B, *shape) in [-1, 1]. shape: (height, width, channels)."""
    latents = keras.Input((latent_dim,), name="latents")
    x = latents
    for width in (units, 2 * units, 4 * units):
        x = layers.Dense(width, use_bias=False)(x)
        x = batch_normalisation()(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(math.prod(shape))(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(latents, layers.Reshape(shape, dtype="float32")(x), name="generator")


def discriminator(shape, units):
    """(B, *shape) -> (B, 1). No BatchNorm: with a gradient penalty, a score may depend on one image only."""
    images = keras.Input(shape, name="images")
    x = layers.Flatten()(images)
    for width in (4 * units, 2 * units, units):
        x = layers.Dense(width)(x)
        x = LeakyReLU(0.2)(x)
    return keras.Model(images, layers.Dense(1, dtype="float32")(x), name="discriminator")
