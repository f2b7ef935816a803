"""The light generator of FastGAN (Liu et al. 2021, arXiv 2101.04775), conditional, with the critic of cgan.py.

Each block doubles the resolution: repeated pixels, a 3x3 convolution, BatchNorm and a gated linear unit. In skip-layer
excitation a map of 16 times lower resolution chooses which channels of the present one are active. Labels shift and
scale the channels after each BatchNorm (class-conditional BatchNorm, de Vries et al. 2017, arXiv 1707.00683).
"""

import keras
from keras import layers

from medgan_tf.networks import cgan
from medgan_tf.networks.layers import LabelEmbedding
from medgan_tf.networks.replicas import batch_normalisation

WIDTHS = (16, 8, 4, 2, 2, 1, 0.5)  # times base_filters, from the coarsest map upwards
SKIP = 4  # doublings from the map that excites to the map whose channels it scales


def build(image_size, num_classes=0, channels=1, latent_dim=256, base_filters=32, critic_filters=128):
    """Both networks take labels if num_classes > 0. critic_filters: base_filters of the cgan's critic.

    Raises ValueError for an impossible size.
    """
    coarse, doublings = cgan.coarsest_map(image_size, 4)
    _, critic = cgan.build(image_size, num_classes, channels, base_filters=critic_filters)
    widths = [max(int(base_filters * WIDTHS[min(index, len(WIDTHS) - 1)]), 1) for index in range(doublings + 1)]
    return generator(coarse, channels, num_classes, latent_dim, widths), critic


def generator(coarse, channels, num_classes, latent_dim, widths):
    """[(B, latent_dim), labels (B,)] -> (B, H, W, channels) in [-1, 1]. widths: filters of maps from `coarse` on."""
    latents, labels = keras.Input((latent_dim,), name="latents"), keras.Input((), dtype="int32", name="labels")

    def gated(x):
        """Half of the channels, each times the sigmoid of another one."""
        x = _conditional_norm(x, labels if num_classes else None, num_classes)
        return layers.Multiply()([x[..., ::2], layers.Activation("sigmoid")(x[..., 1::2])])

    x = layers.Dense(coarse[0] * coarse[1] * 2 * widths[0], use_bias=False)(latents)
    maps = [gated(layers.Reshape((*coarse, 2 * widths[0]))(x))]
    for index, width in enumerate(widths[1:], start=1):
        x = layers.Conv2D(2 * width, 3, padding="same", use_bias=False)(layers.UpSampling2D()(maps[-1]))
        x = gated(x)
        maps.append(_excited(x, maps[index - SKIP]) if index >= SKIP else x)
    images = layers.Activation("tanh", dtype="float32")(layers.Conv2D(channels, 3, padding="same")(maps[-1]))
    return keras.Model([latents, labels] if num_classes else latents, images, name="generator")


def _conditional_norm(x, labels, num_classes):
    """BatchNorm; with labels each class has further factors and offsets of the channels."""
    x = batch_normalisation()(x)
    if labels is None:
        return x
    channels = x.shape[-1]
    factor, offset = (
        layers.Reshape((1, 1, channels))(LabelEmbedding(num_classes, channels, embeddings_initializer="zeros")(labels))
        for _ in range(2)
    )
    return layers.Add()([x, layers.Multiply()([x, factor]), offset])


def _excited(x, coarser):
    """Skip-layer excitation: channels of x times numbers from 0 to 1 that the coarser map chooses."""
    pooled = layers.AveragePooling2D([-(-side // 4) for side in coarser.shape[1:3]])(coarser)
    weights = layers.LeakyReLU(0.1)(layers.Conv2D(x.shape[-1], pooled.shape[1:3], use_bias=False)(pooled))
    weights = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", use_bias=False)(weights)
    return layers.Multiply()([x, weights])
