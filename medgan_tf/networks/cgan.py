"""Conditional GAN for the Wasserstein loss with gradient penalty (Gulrajani et al. 2017), for 16 px to 256 px and more.

The generator takes the label's embedding together with the latent. The critic takes the label by projection (Miyato
and Koyama 2018): the score is f(phi(x)) + <e_y, phi(x)>, so the label changes the score's gradient with respect to the
image. A bias b(y) alone would cancel between real and fake images of the same label. Other than in the paper, phi is
the flattened last map rather than its sum over pixels: the score can then depend on where in the image a class shows,
and training needs fewer images.

On the shorter side, the generator's coarsest map has 8 px and the critic's 4 px. The generator has base_filters at
8 px and halves them with each doubling of the resolution; the critic does the reverse. No block has fewer than
min_filters.
"""

import keras
from keras import layers

from medgan_tf.networks.attention import SelfAttention
from medgan_tf.networks.layers import LABEL_WIDTH, LabelEmbedding, LeakyReLU, UpsampledConv2D
from medgan_tf.networks.replicas import batch_normalisation
from medgan_tf.networks.resampling import count_doublings

COARSE = 8  # px, shorter side of the generator's first map; 7 for images of 112 or 224 px


def build(
    image_size,
    num_classes=0,
    channels=1,
    latent_dim=100,
    base_filters=512,
    min_filters=1,  # fewer than 16 save no time on a CPU that multiplies 16 numbers at once
    residual=False,  # residual blocks in both networks
    attention=None,  # px of the shorter side at which both networks have self-attention; None: nowhere
    projection=True,  # False removes the label from the score, for an ablation
    critic_pooling=1,  # the critic sees the mean of squares of so many px (1, 2, 4, ...), at a fraction of the time
):
    """Both networks take labels if num_classes > 0. Raises ValueError for an impossible size or setting."""
    coarse, blocks = coarsest_map(image_size, COARSE)
    resolutions = [min(coarse) * 2**block for block in range(blocks)]  # 8 px to half of the image
    if attention not in (None, *resolutions):
        raise ValueError(f"attention is None or one of {resolutions} px for images of {image_size}, not {attention}.")
    if base_filters < 2**blocks or base_filters % 2**blocks:
        raise ValueError(
            f"base_filters are halved {blocks} times for images of {image_size}, which {base_filters} do not allow."
        )
    widths = [max(base_filters // 2**block, min_filters) for block in range(blocks + 1)]
    if critic_pooling not in (1, *(2**block for block in range(1, blocks))):
        raise ValueError(f"critic_pooling is a power of 2 below {2**blocks} for these images, not {critic_pooling}.")
    return (
        generator(coarse, channels, num_classes, latent_dim, widths, residual, attention),
        critic((*image_size, channels), num_classes, widths[::-1], residual, attention, projection, critic_pooling),
    )


def coarsest_map(image_size, side):
    """(height, width) of the map whose doublings give the image, and how many they are.

    Its shorter side has `side` px, or 7 px where that of the image is 7 px doubled, as 112 and 224 px are.
    """
    doublings = count_doublings(image_size, 7 if min(image_size) % 7 == 0 else side)
    return tuple(each // 2**doublings for each in image_size), doublings


def generator(coarse, channels, num_classes, latent_dim, widths, residual, attention):
    """[(B, latent_dim), labels (B,)] -> (B, H, W, channels) in [-1, 1]. widths: filters of maps from `coarse` on."""
    latents, labels = keras.Input((latent_dim,), name="latents"), keras.Input((), dtype="int32", name="labels")
    x = latents
    if num_classes:
        # as large as the numbers of the latent, so that the label has an effect from the first step
        normal = keras.initializers.RandomNormal(0, 1)
        label = LabelEmbedding(num_classes, LABEL_WIDTH, embeddings_initializer=normal)(labels)
        x = layers.Concatenate()([latents, label])

    def activated(x):
        return layers.ReLU()(batch_normalisation()(x))

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
        if min(coarse) * 2**index == attention:
            x = SelfAttention(name="attention")(x)
    x = layers.Conv2D(channels, 3, padding="same")(activated(x))
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model([latents, labels] if num_classes else latents, images, name="generator")


def critic(shape, num_classes, widths, residual, attention, projection, pooling):
    """[(B, *shape) in [-1, 1], labels (B,)] -> (B, 1). widths: filters of the maps from half of the image to 4 px.

    shape: (height, width, channels). No BatchNorm: with a gradient penalty, a score may depend on one image only.
    """
    images, labels = keras.Input(shape, name="images"), keras.Input((), dtype="int32", name="labels")

    def block(x, width, first):
        x_activated = x if first else LeakyReLU(0.2)(x)
        if not residual:
            return layers.Conv2D(width, 4, strides=2, padding="same")(x_activated)
        deep = layers.Conv2D(width, 3, padding="same")(x_activated)
        deep = layers.Conv2D(width, 4, strides=2, padding="same")(LeakyReLU(0.2)(deep))
        return layers.Add()([layers.Conv2D(width, 1)(layers.AveragePooling2D(2)(x)), deep])

    x = layers.AveragePooling2D(pooling)(images) if pooling > 1 else images
    for index, width in enumerate(widths[pooling.bit_length() - 1 :]):
        x = block(x, width, first=index == 0)
        if min(x.shape[1:3]) == attention:
            x = SelfAttention(name="attention")(x)
    phi = layers.Flatten(dtype="float32", name="phi")(LeakyReLU(0.2)(x))
    score = layers.Dense(1, dtype="float32")(phi)
    if num_classes and projection:
        label = LabelEmbedding(num_classes, phi.shape[-1], embeddings_initializer="glorot_uniform", dtype="float32")
        score = layers.Add(dtype="float32")([score, layers.Dot(1, dtype="float32")([label(labels), phi])])
    return keras.Model([images, labels] if num_classes else images, score, name="discriminator")
