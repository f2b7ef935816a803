"""Conditional GAN for the Wasserstein loss with gradient penalty (Gulrajani et al. 2017), 16 px to 256 px and more.

The label enters the generator beside the latent and the critic through a projection (Miyato and Koyama 2018): the
score is f(phi(x)) + <e_y, phi(x)>, so that the label shapes the gradient of the score with respect to the image. A
term b(y) alone would cancel between real and fake images of the same label. phi is the last map as it is, not its sum
over pixels: where in the image a class shows is then the label's to say, and training needs fewer images.

The shorter side of the generator's coarsest map is 8 px, of the critic's 4 px. The generator's filters halve from
base_filters at 8 px; the critic's double up to base_filters at 4 px. No block has fewer than least_filters.
"""

import keras
from keras import layers

from medgan_tf.networks.attention import SelfAttention
from medgan_tf.networks.layers import (
    ConditionalBatchNormalisation,
    LabelEmbedding,
    LeakyReLU,
    UpsampledConv2D,
)
from medgan_tf.networks.replicas import batch_normalisation

COARSE = 8  # px, of the generator's first map
CRITIC_NORMS = ("none", "layer")


def build(
    image_size,
    num_classes=0,
    latent_dim=100,
    base_filters=512,
    min_filters=1,  # of any block; a CPU that multiplies 16 numbers at once is no faster with fewer
    embedding=50,  # length of the generator's label vector
    residual=False,  # residual blocks in both networks
    conditional_norm=False,  # BatchNorm of the generator with a scale and shift for each class
    attention=None,  # px of the shorter side at which both networks have self-attention; None: nowhere
    projection=True,  # False takes the label out of the score: for an ablation
    critic_norm="none",  # or "layer"; BatchNorm would tie an image's score to the batch
):
    """Both networks take labels where num_classes > 0. Raises ValueError for a size or setting that cannot be."""
    blocks = _blocks(image_size)
    if critic_norm not in CRITIC_NORMS:
        raise ValueError(f"critic_norm is 'none' or 'layer', not '{critic_norm}'.")
    if conditional_norm and not num_classes:
        raise ValueError("conditional_norm needs labels; build with num_classes above 0 or without it.")
    places = [COARSE * 2**block for block in range(blocks)]  # 8 px to half the image
    if attention not in (None, *places):
        raise ValueError(f"attention is None or one of {places} px for images of {image_size}, not {attention}.")
    if base_filters < 2**blocks or base_filters % 2**blocks:
        raise ValueError(f"base_filters halve {blocks} times for images of {image_size}; {base_filters} do not.")
    widths = [max(base_filters // 2**block, min_filters) for block in range(blocks + 1)]
    return (
        generator(image_size, num_classes, latent_dim, widths, embedding, residual, conditional_norm, attention),
        critic(image_size, num_classes, widths[::-1], residual, attention, projection, critic_norm),
    )


def _blocks(image_size):
    """How many times the generator doubles its first map."""
    blocks = (min(image_size) // COARSE).bit_length() - 1
    if blocks < 1 or min(image_size) != COARSE * 2**blocks or max(image_size) % 2**blocks:
        raise ValueError(
            f"A conditional GAN doubles a map of {COARSE} px, which does not give {image_size} pixels; "
            "use 32, 64, 128 or 256."
        )
    return blocks


def generator(image_size, num_classes, latent_dim, widths, embedding, residual, conditional_norm, attention):
    """[(B, latent_dim), labels (B,)] -> (B, H, W, 1) in [-1, 1]. widths: filters of its maps from 8 px on."""
    coarse = tuple(side // 2 ** (len(widths) - 1) for side in image_size)
    latents, labels = keras.Input((latent_dim,), name="latents"), keras.Input((), dtype="int32", name="labels")
    x = latents
    if num_classes:
        # as large as the latent's numbers: the label is heard from the first step
        label = LabelEmbedding(num_classes, embedding, embeddings_initializer=keras.initializers.RandomNormal(0, 1))
        x = layers.Concatenate()([latents, label(labels)])

    def activated(x):
        if conditional_norm:
            x = ConditionalBatchNormalisation(num_classes)([x, labels])
        else:
            x = batch_normalisation()(x)
        return layers.ReLU()(x)

    def block(x, width):
        if not residual:
            return UpsampledConv2D(width, use_bias=False)(activated(x))
        deep = UpsampledConv2D(width, use_bias=False)(activated(x))
        deep = layers.Conv2D(width, 3, padding="same", use_bias=False)(activated(deep))
        return layers.Add()([layers.UpSampling2D()(layers.Conv2D(width, 1, use_bias=False)(x)), deep])

    x = layers.Dense(coarse[0] * coarse[1] * widths[0], use_bias=False)(x)
    x = layers.Reshape((*coarse, widths[0]))(x)
    for index, width in enumerate(widths):  # 8 px, 16 px, ... image_size
        if index:
            x = block(x, width)
        if COARSE * 2**index == attention:
            x = SelfAttention(name="attention")(x)
    x = layers.Conv2D(1, 3, padding="same")(activated(x))
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model([latents, labels] if num_classes else latents, images, name="generator")


def critic(image_size, num_classes, widths, residual, attention, projection, norm):
    """[(B, H, W, 1) in [-1, 1], labels (B,)] -> (B, 1). widths: filters of its maps down to 4 px."""
    images, labels = keras.Input((*image_size, 1), name="images"), keras.Input((), dtype="int32", name="labels")

    def activated(x):
        # one group: the mean and variance of a whole image, as in Gulrajani et al. 2017
        return LeakyReLU(0.2)(layers.GroupNormalization(groups=1)(x) if norm == "layer" else x)

    def block(x, width, first):
        if not residual:
            return layers.Conv2D(width, 4, strides=2, padding="same")(x if first else activated(x))
        deep = layers.Conv2D(width, 3, padding="same")(x if first else activated(x))
        deep = layers.Conv2D(width, 4, strides=2, padding="same")(activated(deep))
        return layers.Add()([layers.Conv2D(width, 1)(layers.AveragePooling2D(2)(x)), deep])

    x = images
    for index, width in enumerate(widths):
        x = block(x, width, first=index == 0)
        if min(image_size) // 2 ** (index + 1) == attention:
            x = SelfAttention(name="attention")(x)
    phi = layers.Flatten(dtype="float32", name="phi")(activated(x))
    score = layers.Dense(1, dtype="float32")(phi)
    if num_classes and projection:
        label = LabelEmbedding(num_classes, phi.shape[-1], embeddings_initializer="glorot_uniform", dtype="float32")
        score = layers.Add(dtype="float32")([score, layers.Dot(1, dtype="float32")([label(labels), phi])])
    return keras.Model([images, labels] if num_classes else images, score, name="discriminator")
