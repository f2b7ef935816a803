"""StyleGAN3 (Karras et al. 2021, arXiv 2106.12423): details move with the image instead of sticking to its pixels.

The generator starts from sine waves that the style moves and rotates, and all later operations are equivariant to
translation (configuration T) or to rotation too (configuration R). Maps have a margin around the image, so that no
layer can tell where the border is. There is no noise and no style mixing. "mapping", "styles" and "synthesis" are as in
styles.py; the discriminator is that of StyleGAN2.
"""

import math

import keras
import numpy as np
from keras import ops

from medgan_tf.networks.alias_free import FilteredLeakyReLU, Signal
from medgan_tf.networks.layers import ConfiguredLayer, EqualisedDense
from medgan_tf.networks.stylegan2 import ModulatedConv2D, discriminator
from medgan_tf.networks.stylegan2 import widths as discriminator_widths
from medgan_tf.networks.styles import HALF_RESOLUTIONS, clamped, generator

KERNELS = {"T": 3, "R": 1}  # a 1x1 kernel has no direction
NUM_CRITICAL = 2  # the last layers, which use all frequencies that the pixels can represent
FIRST_CUTOFF, FIRST_STOPBAND = 2.0, 2**2.1
LAST_STOPBAND = 2**0.3  # times the last cutoff
MARGIN = 10  # samples on every side
OUTPUT_SCALE = 0.25  # from the unit variance inside to the range of images
_register = keras.saving.register_keras_serializable("medgan_tf.stylegan3")


def build(
    image_size,
    num_classes=0,
    channels=1,
    latent_dim=512,  # length of the latents and of w
    configuration="T",  # "T": equivariant to translation; "R": also to rotation
    channel_base=32768,  # channels times twice the cutoff, where channels are below channel_max; R has twice as many
    channel_max=512,
    num_layers=14,  # of the synthesis, for any image size
    mapping_layers=2,
):
    """Both networks take labels if num_classes > 0. Raises ValueError for an impossible size or setting."""
    if configuration not in KERNELS:
        raise ValueError(f"configuration is 'T' or 'R', not '{configuration}'.")
    if num_layers <= NUM_CRITICAL:
        raise ValueError(f"num_layers is above {NUM_CRITICAL}, the number of critical layers, not {num_layers}.")
    filters = discriminator_widths(image_size, channel_base, channel_max)
    synthesis = Synthesis(image_size, configuration, channel_base, channel_max, num_layers, channels, name="synthesis")
    return (
        generator(synthesis, num_classes, latent_dim, mapping_layers),
        discriminator((*image_size, channels), num_classes, filters, mapping_layers),
    )


def schedule(image_size, num_layers=14):
    """num_layers + 1 Signals: those after each layer, and the image (section 3.2, figure 4).

    Cutoffs and stopbands grow geometrically up to the critical layers. The sampling rate is the image's divided by the
    largest power of two at which it can still represent the stopband. The shorter side of an oblong image has
    proportionally fewer samples, rounded up.
    """
    longer = max(image_size)
    growth = np.minimum(np.arange(num_layers + 1) / (num_layers - NUM_CRITICAL), 1)
    last_cutoff = longer / 2
    cutoffs = FIRST_CUTOFF * (last_cutoff / FIRST_CUTOFF) ** growth
    stopbands = FIRST_STOPBAND * (last_cutoff * LAST_STOPBAND / FIRST_STOPBAND) ** growth
    rates = longer / 2 ** np.floor(np.log2(longer / np.minimum(2 * stopbands, longer)))
    half_widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = [tuple(math.ceil(side * rate / longer) + 2 * MARGIN for side in image_size) for rate in rates]
    sizes[-2:] = [tuple(image_size)] * 2
    columns = (column.tolist() for column in (rates, cutoffs, half_widths))
    return [Signal(*row) for row in zip(sizes, *columns, strict=True)]


@_register
class Synthesis(ConfiguredLayer):
    """ws (B, num_ws, D) -> images (B, H, W, channels) float32: one vector for the sine waves and one for each layer.

    Configuration R has 1x1 kernels and twice the channels to make up for their fewer weights. Under a mixed policy the
    highest sampling rates are in half precision; second derivatives do not exist there.
    """

    def __init__(self, image_size, configuration, channel_base, channel_max, num_layers=14, channels=1, **settings):
        super().__init__(**{"autocast": False, **settings})  # ws stay in float32
        self.image_size, self.configuration = tuple(image_size), configuration
        self.channel_base, self.channel_max = channel_base, channel_max
        self.num_layers, self.channels = num_layers, channels
        self.signals = schedule(image_size, num_layers)
        multiple = 2 if configuration == "R" else 1
        self.widths = [
            round(min(multiple * channel_base / 2 / signal.cutoff, multiple * channel_max))
            for signal in self.signals[:-1]
        ]
        if min(self.widths) < 1:
            raise ValueError(f"channel_base {channel_base} leaves a layer of {max(image_size)} px without channels.")
        self.num_ws = num_layers + 2

    def build(self, input_shape):
        """Make the sine waves, a convolution and a nonlinearity for each layer, and the conversion to an image."""
        *signals, image = self.signals
        w = (None, input_shape[-1])
        self.sines = FourierFeatures(self.widths[0], signals[0], dtype="float32")
        self.sines.build(w)
        self.convolutions, self.nonlinearities = [], []
        source, maps = signals[0], (None, *signals[0].size, self.widths[0])
        for target, width in zip(signals, self.widths, strict=True):
            half = target.rate * 2**HALF_RESOLUTIONS > image.rate
            dtype = self.dtype_policy if half else "float32"
            convolution = NormalisedModulatedConv2D(width, KERNELS[self.configuration], dtype=dtype)
            convolution.build([maps, w])
            # the critical layers use all frequencies that pixels can represent, a square, and not only a disc in it
            radial = self.configuration == "R" and target.cutoff < image.cutoff
            nonlinearity = FilteredLeakyReLU(source, target, radial, dtype=dtype)
            nonlinearity.build(convolution.compute_output_shape([maps, w]))
            self.convolutions.append(convolution)
            self.nonlinearities.append(nonlinearity)
            source, maps = target, (None, *target.size, width)
        self.to_grey = NormalisedModulatedConv2D(self.channels, 1, demodulate=False, dtype=self.dtype_policy)
        self.to_grey.build([maps, w])

    def affines(self):
        """For each vector of ws, the affine functions that use it. (As a property, Keras would save them twice.)"""
        return [[layer.affine] for layer in (self.sines, *self.convolutions, self.to_grey)]

    def call(self, ws, training=None):
        """Make images; no randomness. In training, update the running magnitudes."""
        first, *rest, last = ops.unstack(ws, self.num_ws, axis=1)
        x = self.sines(first)
        for convolution, nonlinearity, w in zip(self.convolutions, self.nonlinearities, rest, strict=True):
            if training:
                convolution.update_magnitude(x)
            x = _layer(convolution, nonlinearity)(x, w)
        if training:
            self.to_grey.update_magnitude(x)
        image = clamped(self.to_grey([x, last]))
        return OUTPUT_SCALE * ops.cast(image, "float32")

    def compute_output_spec(self, ws, training=None):
        """Images (B, H, W, channels), float32 under any policy; Keras would find out by tracing the synthesis twice."""
        return keras.KerasTensor((ws.shape[0], *self.image_size, self.channels), "float32")


def _layer(convolution, nonlinearity):
    """A function (x, w) -> next x. In half precision, for GPUs, it is recomputed for its derivatives to save memory.

    Otherwise all maps inside, at twice the sampling rate and each several times as large as x, would be kept.
    """

    def layer(x, w):
        return nonlinearity(convolution([x, w]))

    return layer if convolution.compute_dtype == "float32" else keras.remat(layer)


@_register
class FourierFeatures(ConfiguredLayer):
    """Styles (B, D) -> mixtures of sine waves (B, h, w, channels), translated and rotated by the style (section 4).

    Fixed frequencies are drawn uniformly from the disc up to the signal's cutoff, and phases uniformly. The affine
    layer starts without movement. `transform`, (3, 3), maps homogeneous image coordinates (x, y, 1), in units of the
    longer side with the origin in the centre, to those at which the waves are evaluated; it is the identity, except
    while equivariance is measured. Waves above the cutoff after this transform fade out.
    """

    def __init__(self, channels, signal, **settings):
        super().__init__(**settings)
        self.channels, self.signal = channels, Signal(*signal)

    def build(self, input_shape):
        """Make frequencies (channels, 2), phases (channels,), the transform and two trainable matrices."""

        def disc(shape, dtype):
            radius = self.signal.cutoff * ops.sqrt(keras.random.uniform(shape[:1], dtype=dtype))
            angle = 2 * math.pi * keras.random.uniform(shape[:1], dtype=dtype)
            return ops.stack([radius * ops.cos(angle), radius * ops.sin(angle)], axis=1)

        def constant(name, shape, initializer):
            return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False)

        self.frequencies = constant("frequencies", (self.channels, 2), disc)
        self.phases = constant("phases", (self.channels,), keras.initializers.RandomUniform(-0.5, 0.5))
        self.transform = constant("transform", (3, 3), "identity")
        self.affine = EqualisedDense(4, gain=1.0, dtype=self.dtype_policy)
        self.affine.build(input_shape)
        self.affine.kernel.assign(ops.zeros_like(self.affine.kernel))
        self.mixing = EqualisedDense(self.channels, gain=1.0, use_bias=False, dtype=self.dtype_policy)
        self.mixing.build((None, self.channels))

    def call(self, style):
        """Evaluate the waves after `transform`, translation by (x, y) and rotation by (cos, sin), in this order."""
        cosine, sine, right, down = ops.unstack(self.affine(style) + ops.array([1.0, 0.0, 0.0, 0.0]), axis=1)
        length = ops.sqrt(cosine**2 + sine**2)
        cosine, sine, right, down = (value / length for value in (cosine, sine, right, down))
        rotation = ops.reshape(ops.stack([cosine, -sine, sine, cosine], axis=1), (-1, 2, 2))
        turned = ops.matmul(self.frequencies, rotation)  # (B, channels, 2): f . (R p) = (f R) . p
        shift = self.transform[:2, 2] - ops.stack([right, down], axis=1)  # (B, 2)
        phases = self.phases + ops.sum(turned * shift[:, None], axis=-1)  # (B, channels)
        frequencies = ops.matmul(turned, self.transform[:2, :2])
        fading = self.signal.rate / 2 - self.signal.cutoff
        excess = ops.sqrt(ops.sum(frequencies**2, axis=-1) + 1e-12) - self.signal.cutoff
        amplitudes = ops.clip(1 - excess / fading, 0, 1)
        waves = ops.matmul(self._coordinates(), ops.transpose(frequencies, (0, 2, 1)))  # (B, h * w, channels)
        waves = ops.sin(2 * math.pi * (waves + phases[:, None])) * amplitudes[:, None]
        return ops.reshape(self.mixing(waves), (-1, *self.signal.size, self.channels))

    def _coordinates(self):
        """(h * w, 2): x and y of each sample."""
        rows, columns = ((np.arange(size) - (size - 1) / 2) / self.signal.rate for size in self.signal.size)
        return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(np.float32)


@_register
class NormalisedModulatedConv2D(ModulatedConv2D):
    """StyleGAN2's modulated convolution of an input normalised to unit magnitude (section 3.2, "normalization").

    call([x (B, H, W, C), w (B, D)]) -> (B, H + k - 1, W + k - 1, filters), with k = kernel_size, odd: the full
    convolution of x surrounded by zeros. x is divided by the root of its running mean square, `magnitude`; with an
    image's own statistics, its content would affect every pixel.
    """

    decay = 0.999  # of the running mean square

    def build(self, input_shape):
        """Make the magnitude, averaged over all replicas, and kernel, bias and affine function."""
        super().build(input_shape)
        self.magnitude = self.add_weight(
            name="magnitude", shape=(), initializer="ones", trainable=False, aggregation="mean"
        )

    def update_magnitude(self, x):
        """Update the running magnitude by x. Not part of `call`, which may run twice in a training step."""
        present = ops.mean(ops.stop_gradient(ops.cast(x, "float32")) ** 2)
        self.magnitude.assign(present + self.decay * (self.magnitude - present))

    def call(self, inputs):
        """Normalise x, pad it, and convolve."""
        x, w = inputs
        x = ops.cast(x * ops.cast(ops.rsqrt(self.magnitude), x.dtype), self.compute_dtype)
        padding = (self.kernel_size // 2,) * 2
        return super().call([ops.pad(x, ((0, 0), padding, padding, (0, 0))), w])

    def compute_output_shape(self, input_shape):
        """Larger by kernel_size - 1 on both sides."""
        batch, height, width, _ = input_shape[0]
        return (batch, height + self.kernel_size - 1, width + self.kernel_size - 1, self.filters)
