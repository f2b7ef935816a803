"""Progressive growing (Karras et al. 2018, arXiv 1710.10196), optionally conditional.

Each network is a keras.Model around one layer named "growing" (see growth.py). Images have the full size at any stage:
the generator repeats pixels, the critic averages them. Maps at r px have base_filters * min(1, wide_size / r) channels:
512 up to 32 px, 256 at 64, 128 at 128 and 64 at 256.

Differences from the paper: a tanh keeps images in [-1, 1]; maps (not images) are upsampled through the low-pass filter
of StyleGAN2, because repeated pixels leave a woven texture after short trainings; the label is concatenated with the
latent in the generator and enters the critic by projection (Miyato and Koyama 2018).
"""

import math

import keras
from keras import layers, ops

from medgan_tf.networks.growth import Growth
from medgan_tf.networks.layers import (
    HE_GAIN,
    LABEL_WIDTH,
    EqualisedConv2D,
    EqualisedDense,
    LabelEmbedding,
    MinibatchStandardDeviation,
    PixelNormalisation,
)


def build(
    image_size,
    num_classes=0,
    channels=1,
    latent_dim=128,
    base_filters=512,
    first_size=4,  # px of the shorter side at stage 0; 4 or 8
    wide_size=32,  # px up to which maps have base_filters channels; then they halve with each doubling
    fade_kimg=50.0,  # thousands of images in which a new stage fades in; the paper, at 1024 px: 600
    stable_kimg=50.0,  # thousands of images at each stage after that
    attention=None,  # px of the shorter side at which both networks have self-attention; None: nowhere
):
    """Both networks are fully grown until `growth.set_stage` is called. Raises ValueError for an impossible size."""
    growth = image_size, base_filters, first_size, wide_size, fade_kimg, stable_kimg, attention, channels
    return generator(num_classes, latent_dim, growth), critic((*image_size, channels), num_classes, growth)


def generator(num_classes, latent_dim, growth):
    """(B, latent_dim) [, labels (B,)] -> (B, H, W, channels) in [-1, 1]. growth: the arguments of `Growth`."""
    latents, labels = keras.Input((latent_dim,), name="latents"), keras.Input((), dtype="int32", name="labels")
    x = PixelNormalisation()(latents)
    if num_classes:
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        label = LabelEmbedding(num_classes, LABEL_WIDTH, embeddings_initializer=normal)(labels)
        x = layers.Concatenate()([x, PixelNormalisation()(label)])
    x = GrowingGenerator(*growth, name="growing")(x)
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model([latents, labels] if num_classes else latents, images, name="generator")


def critic(shape, num_classes, growth):
    """(B, *shape) in [-1, 1] [, labels (B,)] -> (B, 1): f(phi(x)) + <e_y, phi(x)>."""
    images, labels = keras.Input(shape, name="images"), keras.Input((), dtype="int32", name="labels")
    phi = GrowingCritic(*growth, name="growing")(images)
    score = EqualisedDense(1, gain=1.0, dtype="float32")(phi)
    if num_classes:
        normal = keras.initializers.RandomNormal(0.0, 1.0)  # equalised by the Rescaling below
        label = LabelEmbedding(num_classes, phi.shape[-1], embeddings_initializer=normal, dtype="float32")(labels)
        label = layers.Rescaling(1.0 / math.sqrt(phi.shape[-1]), dtype="float32")(label)
        score = layers.Add(dtype="float32")([score, layers.Dot(1, dtype="float32")([label, phi])])
    return keras.Model([images, labels] if num_classes else images, score, name="discriminator")


@keras.saving.register_keras_serializable("medgan_tf")
class GrowingGenerator(Growth):
    """The growing part of the generator: (B, D) -> (B, H, W, channels), before the tanh."""

    def build(self, input_shape):
        """Make for each stage two convolutions and one to an image; the first of stage 0 is a dense layer."""
        self._add_growth()
        size = math.prod(self.coarse)
        same = {"dtype": self.dtype_policy}
        # a quarter of the usual gain, because the paper counts the 4x4 pixels in the fan-in
        self.first = [EqualisedDense(size * self.widths[0], gain=HE_GAIN / 4.0, **same)]
        self.first += [EqualisedConv2D(width, 3, upsample=True, **same) for width in self.widths[1:]]
        self.second = [EqualisedConv2D(width, 3, **same) for width in self.widths]
        self.to_image = [EqualisedConv2D(self.channels, 1, gain=1.0, **same) for _ in self.widths]
        self.normalise = PixelNormalisation(**same)
        self.normalise.build((None, None, None, self.widths[0]))
        for stage, width in enumerate(self.widths):
            before = input_shape if stage == 0 else (None, None, None, self.widths[stage - 1])
            self.first[stage].build(before)
            self.second[stage].build((None, None, None, width))
            self.to_image[stage].build((None, None, None, width))

    def call(self, x):
        """Run the stages up to the current one, fade it in, and repeat pixels up to the full size."""
        stage = self.stage
        for index in range(stage + 1):
            before = x
            x = _activated(self.first[index](x))
            if index == 0:
                x = ops.reshape(x, (-1, *self.coarse, self.widths[0]))
            x = self.normalise(_activated(self.second[index](self.normalise(x))))
            x = self._attended(x, index)
        image = self.to_image[stage](x)
        if stage:
            image = self._faded(_repeated(self.to_image[stage - 1](before), 2), image)
        return _repeated(image, 2 ** (self.stages - 1 - stage))

    def compute_output_shape(self, input_shape):
        """(B, H, W, channels), the full size at any stage."""
        return (input_shape[0], *self.image_size, self.channels)


@keras.saving.register_keras_serializable("medgan_tf")
class GrowingCritic(Growth):
    """The growing part of the critic: (B, H, W, channels) -> phi (B, base_filters)."""

    def build(self, input_shape):
        """Make for each stage one convolution from an image and two more; the second of stage 0 is a dense layer."""
        self._add_growth()
        same = {"dtype": self.dtype_policy}
        self.from_image = [EqualisedConv2D(width, 1, **same) for width in self.widths]
        self.first = [EqualisedConv2D(width, 3, **same) for width in self.widths]
        self.second = [EqualisedDense(self.widths[0], **same)]
        self.second += [EqualisedConv2D(width, 3, **same) for width in self.widths[:-1]]
        self.deviation = MinibatchStandardDeviation(**same)
        self.deviation.build((None, *self.coarse, self.widths[0]))
        for stage, width in enumerate(self.widths):
            self.from_image[stage].build(input_shape)
            self.first[stage].build((None, None, None, width + (stage == 0)))  # plus the standard deviation's channel
            flat = (None, math.prod(self.coarse) * width)
            self.second[stage].build((None, None, None, width) if stage else flat)

    def call(self, images):
        """Average pixels down to the current stage, fade it in, and run the stages down to stage 0."""
        stage = self.stage
        for _ in range(self.stages - 1 - stage):
            images = _halved(images)
        x = self._attended(_activated(self.from_image[stage](images)), stage)
        for index in range(stage, 0, -1):
            x = _activated(self.first[index](x))
            x = _halved(_activated(self.second[index](x)))
            if index == stage:
                x = self._faded(_activated(self.from_image[stage - 1](_halved(images))), x)
            x = self._attended(x, index - 1)
        x = _activated(self.first[0](self.deviation(x)))
        return _activated(self.second[0](ops.reshape(x, (-1, math.prod(x.shape[1:])))))

    def compute_output_shape(self, input_shape):
        """(B, base_filters)."""
        return (input_shape[0], self.widths[0])


def _activated(x):
    return ops.maximum(x, 0.2 * x)  # as layers.LeakyReLU, whose second derivative is cheap


def _repeated(images, factor):
    """Nearest-neighbour upsampling."""
    return ops.repeat(ops.repeat(images, factor, axis=1), factor, axis=2)


def _halved(images):
    """The mean of each 2x2 pixels."""
    return ops.average_pool(images, 2, strides=2)
