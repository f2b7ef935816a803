"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), optionally conditional as in StyleGAN2-ADA (arXiv 2006.06676).

The generator consists of "mapping", "styles" and "synthesis" (see styles.py); its images pass no tanh. The shorter side
of the coarsest map is 4 px; maps whose shorter side is r px have min(channel_base // r, channel_max) channels.

Under a mixed policy the four highest resolutions are computed in half precision and clamped, everything else in
float32, as in StyleGAN2-ADA.
"""

import math
from functools import partial

import keras
from keras import layers, ops

from medgan_tf.networks.layers import ConfiguredLayer, EqualisedConv2D, EqualisedDense, MinibatchStandardDeviation
from medgan_tf.networks.replicas import draw
from medgan_tf.networks.resampling import count_doublings, downsampled_convolution, upsample, upsampled_convolution
from medgan_tf.networks.styles import ScaledLeakyReLU, activated, clamped, embedded, generator, mapped, precision

COARSE = 4  # px, shorter side of the smallest map
MIXING_PROBABILITY = 0.9  # of style mixing in training, as in the paper
SEED = 10**6  # of noise and style mixing; far from the trainer's seeds, which would draw the same numbers
_register = keras.saving.register_keras_serializable("medgan_tf.stylegan2")


def build(
    image_size,
    num_classes=0,
    channels=1,
    latent_dim=512,  # length of the latents and of w
    channel_base=16384,  # channels times resolution, where channels are below channel_max
    channel_max=512,
    mapping_layers=8,
):
    """Both networks take labels if num_classes > 0. Raises ValueError for an impossible size or number of channels."""
    synthesis = Synthesis(image_size, channel_base, channel_max, SEED + 2, channels, name="synthesis")
    return (
        generator(synthesis, num_classes, latent_dim, mapping_layers, MIXING_PROBABILITY, SEED),
        discriminator((*image_size, channels), num_classes, synthesis.widths, mapping_layers),
    )


def widths(image_size, channel_base, channel_max):
    """Numbers of channels at 4 px, 8 px, ... up to the shorter side of the image."""
    doublings = count_doublings(image_size, COARSE)
    if min(channel_base // min(image_size), channel_max) < 1:
        raise ValueError(f"channel_base {channel_base} and channel_max {channel_max} leave a layer without channels.")
    return [min(channel_base // (COARSE * 2**block), channel_max) for block in range(doublings + 1)]


def discriminator(shape, num_classes, filters, mapping_layers):
    """(B, *shape) [, labels (B,)] -> (B, 1). With labels, the score is the product of features and mapped label.

    shape: (height, width, channels). filters: of the maps from 4 px up to the size of the image.
    """
    images, labels = keras.Input(shape, name="images"), keras.Input((), dtype="int32", name="labels")

    def active(x, dtype):
        return ScaledLeakyReLU(dtype=dtype)(x)

    policy, blocks = keras.config.dtype_policy(), len(filters)
    dtype = precision(blocks - 1, blocks, policy)
    x = active(EqualisedConv2D(filters[-1], 1, gain=1.0, dtype=dtype)(images), dtype)
    for block in reversed(range(1, blocks)):
        dtype = precision(block, blocks, policy)
        skip = DownsampledConv2D(filters[block - 1], 1, gain=math.sqrt(0.5), use_bias=False, dtype=dtype)(x)
        x = active(EqualisedConv2D(filters[block], 3, gain=1.0, dtype=dtype)(x), dtype)
        x = DownsampledConv2D(filters[block - 1], 3, gain=1.0, dtype=dtype)(x)
        # each branch carries half of the variance: this one omits the gain of sqrt(2)
        x = layers.Add(dtype=dtype)([ScaledLeakyReLU(gain=1.0, dtype=dtype)(x), skip])
    single = "float32"
    x = MinibatchStandardDeviation(dtype=single)(x)
    x = active(EqualisedConv2D(filters[0], 3, gain=1.0, dtype=single)(x), single)
    x = active(EqualisedDense(filters[0], gain=1.0, dtype=single)(layers.Flatten(dtype=single)(x)), single)
    if not num_classes:
        return keras.Model(images, EqualisedDense(1, gain=1.0, dtype=single)(x), name="discriminator")
    features = EqualisedDense(filters[0], gain=1.0, dtype=single)(x)
    label = mapped(embedded(labels, num_classes, filters[0]), filters[0], mapping_layers)
    score = layers.Dot(1, dtype=single)([features, label])
    score = layers.Rescaling(1.0 / math.sqrt(filters[0]), dtype=single)(score)
    return keras.Model([images, labels], score, name="discriminator")


@_register
class DownsampledConv2D(EqualisedConv2D):
    """(B, H, W, C) -> (B, H / 2, W / 2, filters) through the low-pass filter; kernel_size 1 or 3."""

    def call(self, x):
        """Convolve with the scaled kernel and add the bias."""
        return self._biased(downsampled_convolution(x, self.kernel * self.scale))

    def compute_output_shape(self, input_shape):
        """Half the height and width."""
        batch, height, width, _ = input_shape
        return (batch, height // 2, width // 2, self.filters)


def modulated_convolution(x, kernel, styles, demodulate=True, upsample=False):
    """Convolution with a kernel scaled by each image's styles; demodulation restores unit variance (section 2.2).

    x: (B, H, W, C) float32 or half. kernel: (k, k, C, D) float32. styles: (B, C) float32. upsample: to twice the size,
    with k = 3. Returns (B, H or 2H, W or 2W, D) in the dtype of x. Scaling the maps instead of the kernel gives the
    same numbers with one convolution for all images.
    """
    if demodulate:
        if keras.backend.standardize_dtype(x.dtype) == "float16":  # avoids overflow; demodulation undoes it
            styles = styles / ops.max(ops.abs(styles), axis=1, keepdims=True)
        power = ops.matmul(styles**2, ops.sum(kernel**2, axis=(0, 1)))  # (B, D)
        demodulation = ops.cast(ops.rsqrt(power + 1e-8), x.dtype)[:, None, None]
    x, kernel = x * ops.cast(styles, x.dtype)[:, None, None], ops.cast(kernel, x.dtype)
    x = upsampled_convolution(x, kernel) if upsample else ops.conv(x, kernel, padding="same")
    return x * demodulation if demodulate else x


@_register
class ModulatedConv2D(EqualisedConv2D):
    """[x (B, H, W, C), w (B, D)] -> (B, H, W, filters), or twice the size; styles are an affine function of w."""

    def __init__(self, filters, kernel_size, demodulate=True, **settings):
        # styles and demodulation stay in float32 under any policy: only x is cast
        super().__init__(filters, kernel_size, **{"gain": 1.0, "autocast": False, **settings})
        self.demodulate = demodulate

    def build(self, input_shape):
        """Make kernel, bias and the affine function."""
        maps, w = input_shape
        super().build(maps)
        self.affine = EqualisedDense(maps[-1], gain=1.0, dtype="float32")
        self.affine.build(w)

    def call(self, inputs):
        """Convolve x modulated by w and add the bias."""
        x, w = inputs
        styles = 1.0 + self.affine(w)
        x = ops.cast(x, self.compute_dtype)
        x = modulated_convolution(x, self.kernel * self.scale, styles, self.demodulate, self.upsample)
        return x + ops.cast(self.bias, x.dtype)

    def compute_output_shape(self, input_shape):
        """The output shape for the first of the two inputs, the maps."""
        return super().compute_output_shape(input_shape[0])


@_register
class Noise(ConfiguredLayer):
    """Add one map of normal noise to all channels, times a learned strength that starts at 0: (B, H, W, C).

    The noise is new for each image in training, and otherwise a constant map that is saved with the layer.
    """

    def __init__(self, seed=0, **settings):
        super().__init__(**settings)
        self.seed, self.random = seed, keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        """Make the strength and the constant map."""
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=self.seed)
        self.strength = self.add_weight(name="strength", shape=(), initializer="zeros")
        self.constant = self.add_weight(
            name="constant", shape=(*input_shape[1:3], 1), initializer=normal, trainable=False
        )

    def call(self, x, training=None):
        """Return x plus noise."""
        noise = self.constant
        if training:
            noise = draw(partial(keras.random.normal, dtype=x.dtype, seed=self.random), *ops.shape(x)[:3], 1)
        return x + noise * self.strength


@_register
class Synthesis(ConfiguredLayer):
    """ws (B, num_ws, D) -> images (B, H, W, channels) float32, the sum of the images of every resolution (section 4.1).

    Convolution i uses ws[:, i]. There is one convolution at 4 px and two at each higher resolution, the first of which
    upsamples. The conversion to an image uses the vector after that of the resolution's last convolution, which is also
    that of the next resolution's first.
    """

    def __init__(self, image_size, channel_base, channel_max, seed=0, channels=1, **settings):
        super().__init__(**{"autocast": False, **settings})  # ws stay in float32
        self.image_size, self.channel_base, self.channel_max = tuple(image_size), channel_base, channel_max
        self.seed, self.channels = seed, channels
        self.widths = widths(image_size, channel_base, channel_max)
        self.num_ws = 2 * len(self.widths)

    def build(self, input_shape):
        """Make the constant at 4 px, and lists of convolutions, noises and, for each resolution, layers to images."""
        w, blocks = (None, input_shape[-1]), len(self.widths)
        size = tuple(side // 2 ** (blocks - 1) for side in self.image_size)
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        self.constant = self.add_weight(name="constant", shape=(*size, self.widths[0]), initializer=normal)
        self.convolutions, self.noises, self.to_image = [], [], []
        before = (None, *size, self.widths[0])
        for block, width in enumerate(self.widths):
            dtype = precision(block, blocks, self.dtype_policy)
            for doubles in (True, False) if block else (False,):
                convolution = ModulatedConv2D(width, 3, upsample=doubles, dtype=dtype)
                noise = Noise(self.seed + len(self.noises), dtype=dtype)
                convolution.build([before, w])
                before = convolution.compute_output_shape([before, w])
                noise.build(before)
                self.convolutions.append(convolution)
                self.noises.append(noise)
            self.to_image.append(ModulatedConv2D(self.channels, 1, demodulate=False, dtype=dtype))
            self.to_image[-1].build([before, w])

    def affines(self):
        """For each vector of ws, the affine functions that use it. (As a property, Keras would save them twice.)"""
        affines = [[convolution.affine] for convolution in self.convolutions] + [[]]
        for pair, to_image in zip(affines[1::2], self.to_image, strict=True):
            pair.append(to_image.affine)
        return affines

    def call(self, ws, training=None):
        """Make images, with random noise in training and constant noise otherwise."""
        ws = ops.unstack(ws, self.num_ws, axis=1)
        # added rather than repeated: XLA cannot differentiate a repetition inside the condition of a lazy penalty
        constant = ops.convert_to_tensor(self.constant)
        x = constant + ops.zeros((ops.shape(ws[0])[0], 1, 1, 1), constant.dtype)
        image = None
        for index, (convolution, noise) in enumerate(zip(self.convolutions, self.noises, strict=True)):
            x = activated(noise(convolution([x, ws[index]]), training=training))
            if index % 2 == 0:  # the last convolution of its resolution
                part = ops.cast(clamped(self.to_image[index // 2]([x, ws[index + 1]])), "float32")
                image = part if image is None else upsample(image) + part
        return image
