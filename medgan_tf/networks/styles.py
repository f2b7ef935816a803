"""Shared parts of the style-based GANs: mapping network, a style vector for each layer, activation, half precision.

From Karras et al. 2019 (arXiv 1812.04948) and 2020 (arXiv 1912.04958), with labels as in StyleGAN2-ADA (arXiv
2006.06676). A generator consists of three layers that can be called on their own: "mapping" (latents to w), "styles"
(w to one vector for each layer; mixes two in training and keeps the running mean of w for truncation) and "synthesis"
(vectors to images).
"""

from functools import partial

import keras
from keras import layers, ops

from medgan_tf.networks.layers import HE_GAIN, ConfiguredLayer, EqualisedDense, LabelEmbedding, PixelNormalisation
from medgan_tf.networks.replicas import draw

HALF_RESOLUTIONS = 4  # how many of the highest resolutions are in half precision under a mixed policy
CLAMP = 256.0  # keeps half precision finite, as in StyleGAN2-ADA
_register = keras.saving.register_keras_serializable("medgan_tf")


def generator(synthesis, num_classes, latent_dim, mapping_layers, mixing_probability=0.0, seed=0):
    """(B, latent_dim) [, labels (B,)] -> (B, H, W, C), nominally in [-1, 1].

    synthesis: a layer named "synthesis", ws (B, num_ws, latent_dim) -> images, with the attribute `num_ws`.
    mixing_probability: see `Styles`.
    """
    latents, labels = keras.Input((latent_dim,), name="latents"), keras.Input((), dtype="int32", name="labels")
    inputs = [latents, labels] if num_classes else latents
    doubled = SecondLatents(seed, name="second_latents")(inputs) if mixing_probability else inputs
    w = mapping(num_classes, latent_dim, mapping_layers)(doubled)
    ws = Styles(synthesis.num_ws, mixing_probability, seed=seed + 1, name="styles")(w)
    return keras.Model(inputs, synthesis(ws), name="generator")


def mapping(num_classes, latent_dim, depth):
    """A model (B, latent_dim) [, labels (B,)] -> w (B, latent_dim), named "mapping"; float32 under any policy."""
    latents, labels = keras.Input((latent_dim,), name="latents"), keras.Input((), dtype="int32", name="labels")
    x = PixelNormalisation(dtype="float32")(latents)
    if num_classes:
        x = layers.Concatenate(dtype="float32")([x, embedded(labels, num_classes, latent_dim)])
    return keras.Model([latents, labels] if num_classes else latents, mapped(x, latent_dim, depth), name="mapping")


def embedded(labels, num_classes, width):
    """Labels (B,) -> label vectors (B, width) with a mean square of 1."""
    normal = keras.initializers.RandomNormal(0.0, 1.0)
    table = LabelEmbedding(num_classes, width, embeddings_initializer=normal, dtype="float32")
    return PixelNormalisation(dtype="float32")(table(labels))


def mapped(x, width, depth):
    """(B, C) -> (B, width) by `depth` dense layers with a hundredth of the learning rate."""
    for _ in range(depth):
        x = EqualisedDense(width, gain=1.0, learning_rate_multiplier=0.01, dtype="float32")(x)
        x = ScaledLeakyReLU(dtype="float32")(x)
    return x


@_register
class SecondLatents(ConfiguredLayer):
    """In training, append new random latents for style mixing: (B, D) -> (2B, D); labels (B,), if any, are repeated.

    The mapping then computes both w of a mixed image in one pass. At inference, inputs are returned unchanged.
    """

    def __init__(self, seed=0, **settings):
        super().__init__(**{"dtype": "float32", **settings})
        self.seed, self.random = seed, keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        """Return the inputs of the mapping."""
        latents, *labels = inputs if isinstance(inputs, list) else [inputs]
        if training:
            normal = partial(keras.random.normal, dtype=latents.dtype, seed=self.random)
            second = draw(normal, *ops.shape(latents))
            latents = ops.concatenate([latents, second])
            labels = [ops.tile(labels[0], (2,))] if labels else []
        return [latents, *labels] if labels else latents


@_register
class Styles(ConfiguredLayer):
    """w (B, D) -> ws (B, num_ws, D): one vector for each layer of the synthesis.

    With a mixing_probability above 0, w is (2B, D) in training, and an image takes its second w from a random layer on
    with that probability (style mixing; Karras et al. 2019, section 3.1). w_avg (D,) is the running mean of w in
    training; truncated images use w_avg + psi * (w - w_avg) (appendix B there).
    """

    def __init__(self, num_ws, mixing_probability=0.0, decay=0.998, seed=0, **settings):
        super().__init__(**{"dtype": "float32", **settings})
        self.num_ws, self.mixing_probability, self.decay, self.seed = num_ws, mixing_probability, decay, seed
        self.random = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        """Make the running mean, averaged over all replicas."""
        self.w_avg = self.add_weight(
            name="w_avg", shape=input_shape[-1:], initializer="zeros", trainable=False, aggregation="mean"
        )

    def call(self, w, training=None):
        """Mix styles and update w_avg in training; otherwise only repeat w."""
        if not training:
            return ops.repeat(w[:, None], self.num_ws, axis=1)
        mean = ops.stop_gradient(ops.mean(w, axis=0))
        self.w_avg.assign(mean + self.decay * (self.w_avg - mean))
        if not self.mixing_probability:
            return ops.repeat(w[:, None], self.num_ws, axis=1)
        first, second = ops.split(w, 2)
        uniform = draw(self._uniform_pairs, ops.shape(first)[0], 2, 1)
        crossover = 1 + ops.floor(uniform[:, 0] * (self.num_ws - 1))  # (B, 1), 1 to num_ws - 1
        crossover = ops.where(uniform[:, 1] < self.mixing_probability, crossover, self.num_ws)
        from_first = ops.arange(self.num_ws, dtype="float32") < crossover  # (B, num_ws)
        return ops.where(from_first[..., None], first[:, None], second[:, None])

    def _uniform_pairs(self, shape):
        return ops.transpose(keras.random.uniform((2, shape[0], 1), seed=self.random), (1, 0, 2))


def precision(block, blocks, policy):
    """The dtype policy of a block, counted from the coarsest: `policy` at the four highest resolutions, or float32."""
    return policy if block >= blocks - HALF_RESOLUTIONS else "float32"


def activated(x, gain=HE_GAIN):
    """Leaky ReLU with slope 0.2, times gain, clamped in half precision."""
    return clamped(gain * ops.leaky_relu(x, 0.2))


def clamped(x):
    """Return x, in half precision limited to +-CLAMP."""
    return x if keras.backend.standardize_dtype(x.dtype) == "float32" else ops.clip(x, -CLAMP, CLAMP)


@_register
class ScaledLeakyReLU(ConfiguredLayer):
    """`activated` as a layer, for any shape."""

    def __init__(self, gain=HE_GAIN, **settings):
        super().__init__(**settings)
        self.gain = gain

    def call(self, x):
        """Activate x, in the shape of the input."""
        return activated(x, self.gain)
