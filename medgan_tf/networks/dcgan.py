"""Deep convolutional GAN (Radford et al. 2016, arXiv 1511.06434), for images from 16 px to 256 px and larger.

Each block doubles (generator) or halves (discriminator) the resolution. The coarsest map is image_size / 2**blocks,
4 px high for powers of two. The filters double towards the coarse end, up to 8 times base_filters.
"""

import keras
from keras import layers

from medgan_tf.networks.layers import LeakyReLU
from medgan_tf.networks.replicas import batch_normalisation

# a kernel size that is a multiple of the stride avoids checkerboard artefacts (Odena et al. 2016)
KERNEL = {"kernel_size": 4, "strides": 2, "padding": "same"}


def build(image_size, num_classes=0, channels=1, latent_dim=100, base_filters=64, discriminator_norm="batch"):
    """The paper's networks by default; train with a gradient penalty only with discriminator_norm="none"."""
    if num_classes:
        raise ValueError("DCGAN takes no labels; build it with num_classes=0, or choose 'cgan'.")
    if discriminator_norm not in ("batch", "none"):
        raise ValueError(f"discriminator_norm is 'batch' or 'none', not '{discriminator_norm}'.")
    blocks = max(min(image_size).bit_length() - 3, 0)
    if not blocks or any(side % 2**blocks for side in image_size):
        raise ValueError(
            f"DCGAN halves an image {max(blocks, 1)} times, which {image_size} pixels do not allow; use 64, 128 or 256."
        )
    filters = [base_filters * min(2**block, 8) for block in range(blocks)]  # fine to coarse: 64 px -> b, 2b, 4b, 8b
    coarse = tuple(side // 2**blocks for side in image_size)
    return (
        generator(coarse, channels, latent_dim, filters),
        discriminator((*image_size, channels), filters, discriminator_norm),
    )


def generator(coarse, channels, latent_dim, filters):
    """(B, latent_dim) -> (B, H, W, channels) in [-1, 1]. coarse: (height, width) of the first map."""
    initial = keras.initializers.RandomNormal(0.0, 0.02)
    latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(coarse[0] * coarse[1] * filters[-1], use_bias=False, kernel_initializer=initial)(latents)
    x = layers.Reshape((*coarse, filters[-1]))(x)
    for width in reversed(filters[:-1]):
        x = layers.ReLU()(batch_normalisation()(x))
        x = layers.Conv2DTranspose(width, use_bias=False, kernel_initializer=initial, **KERNEL)(x)
    x = layers.ReLU()(batch_normalisation()(x))
    x = layers.Conv2DTranspose(channels, kernel_initializer=initial, **KERNEL)(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def discriminator(shape, filters, norm):
    """(B, *shape) -> (B, 1). shape: (height, width, channels)."""
    initial = keras.initializers.RandomNormal(0.0, 0.02)
    images = keras.Input(shape, name="images")
    x = images
    for block, width in enumerate(filters):
        normalised = norm == "batch" and block > 0  # the paper has no BatchNorm in the first layer
        x = layers.Conv2D(width, use_bias=not normalised, kernel_initializer=initial, **KERNEL)(x)
        if normalised:
            x = batch_normalisation()(x)
        x = LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    return keras.Model(images, layers.Dense(1, kernel_initializer=initial, dtype="float32")(x), name="discriminator")
