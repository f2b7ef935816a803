"""StyleGAN3 (Karras et al. 2021, arXiv 2106.12423): details move with the image rather than stick to its pixels.

The generator starts from sines whose place and angle the style decides, and every later operation commutes with
translation (configuration T) or with rotation too (R). Signals have a margin around the image, so that its border
tells no layer where it is. No noise and no style mixing; "mapping", "styles" and "synthesis" are as in styles.py, and
the discriminator is StyleGAN2's.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from medgan_tf.networks.alias_free import CLAMP, FilteredLeakyReLU, Signal
from medgan_tf.networks.layers import EqualisedDense
from medgan_tf.networks.stylegan2 import ModulatedConv2D, discriminator
from medgan_tf.networks.stylegan2 import widths as discriminator_widths
from medgan_tf.networks.styles import HALF_RESOLUTIONS, clamped, generator

KERNELS = {"T": 3, "R": 1}  # a kernel of one weight alone has no direction
NUM_CRITICAL = 2  # the last layers, which use all frequencies that the pixels hold
FIRST_CUTOFF, FIRST_STOPBAND = 2.0, 2**2.1
LAST_STOPBAND = 2**0.3  # times the last cutoff
MARGIN = 10  # samples on every side
OUTPUT_SCALE = 0.25  # unit variance inside, a quarter of [-1, 1] outside
_register = keras.saving.register_keras_serializable("medgan_tf.stylegan3")


def build(
    image_size,
    num_classes=0,
    latent_dim=512,  # of the latents and of w
    configuration="T",  # "T": equivariant to translation; "R": to rotation too
    channel_base=32768,  # twice the cutoff times the channels where these are below channel_max; R has twice as many
    channel_max=512,
    num_layers=14,  # of the synthesis, however large the image
    mapping_layers=2,
    clamp=256.0,  # bound of the discriminator's maps in half precision; None: none
):
    """Both networks take labels where num_classes > 0. Raises ValueError for a size or setting that cannot be."""
    if configuration not in KERNELS:
        raise ValueError(f"configuration is 'T' or 'R', not '{configuration}'.")
    if num_layers <= NUM_CRITICAL:
        raise ValueError(f"num_layers is above {NUM_CRITICAL}, the number of critical layers, not {num_layers}.")
    channels = discriminator_widths(image_size, channel_base, channel_max)
    synthesis = Synthesis(image_size, configuration, channel_base, channel_max, num_layers, name="synthesis")
    return (
        generator(synthesis, num_classes, latent_dim, mapping_layers, mixing_probability=0, seed=0),
        discriminator(image_size, num_classes, channels, mapping_layers, clamp),
    )


def schedule(image_size, num_layers=14):
    """The signals after each of num_layers layers and in the image: num_layers + 1 Signals (section 3.2, figure 4).

    Cutoffs and stopbands grow geometrically up to the critical layers. The rate is the image's, or the smallest half,
    quarter, ... of it that holds the stopband. The shorter side of an oblong image has its share of the samples,
    rounded up.
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
class Synthesis(layers.Layer):
    """ws (B, num_ws, D) -> images (B, H, W, 1) float32: the first vector goes to the sines, one to each layer.

    Configuration R has 1x1 kernels and, for the weights that these lack, twice the channels. The highest rates are in
    half precision under a mixed policy; there are no derivatives of derivatives there.
    """

    def __init__(self, image_size, configuration, channel_base, channel_max, num_layers=14, **settings):
        super().__init__(**{"autocast": False, **settings})  # ws stay in float32
        self.image_size, self.configuration = tuple(image_size), configuration
        self.channel_base, self.channel_max, self.num_layers = channel_base, channel_max, num_layers
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
        """Sines; a convolution and a nonlinearity for each layer; the conversion to grey."""
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
            # the critical layers fill the square of frequencies that the pixels hold, not just its disc
            radial = self.configuration == "R" and target.cutoff < image.cutoff
            nonlinearity = FilteredLeakyReLU(source, target, radial, dtype=dtype)
            nonlinearity.build(convolution.compute_output_shape([maps, w]))
            self.convolutions.append(convolution)
            self.nonlinearities.append(nonlinearity)
            source, maps = target, (None, *target.size, width)
        self.to_grey = NormalisedModulatedConv2D(1, 1, demodulate=False, dtype=self.dtype_policy)
        self.to_grey.build([maps, w])

    def affines(self):
        """For each vector of ws, the affine functions that read it; as a property Keras would save them twice."""
        return [[layer.affine] for layer in (self.sines, *self.convolutions, self.to_grey)]

    def call(self, ws, training=None):
        """No chance in it; in training the running magnitudes follow."""
        first, *rest, last = ops.unstack(ws, self.num_ws, axis=1)
        x = self.sines(first)
        for convolution, nonlinearity, w in zip(self.convolutions, self.nonlinearities, rest, strict=True):
            if training:
                convolution.follow(x)
            x = _layer(convolution, nonlinearity)(x, w)
        if training:
            self.to_grey.follow(x)
        image = clamped(self.to_grey([x, last]), CLAMP)
        return OUTPUT_SCALE * ops.cast(image, "float32")

    def compute_output_spec(self, ws, training=None):
        """float32 under any policy."""
        return keras.KerasTensor((ws.shape[0], *self.image_size, 1), "float32")

    def get_config(self):
        """All arguments."""
        names = ("image_size", "configuration", "channel_base", "channel_max", "num_layers")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _layer(convolution, nonlinearity):
    """(x, w) -> the next x. In half precision, which is for GPUs, it is computed once more for its derivatives.

    Otherwise the maps within, at twice the sampling rate and each several times as large as x, would all be kept.
    """

    def layer(x, w):
        return nonlinearity(convolution([x, w]))

    return layer if convolution.compute_dtype == "float32" else keras.remat(layer)


@_register
class FourierFeatures(layers.Layer):
    """Styles (B, D) -> `channels` mixtures of sines (B, h, w, channels), moved and turned by the style (section 4).

    Frequencies are drawn uniformly from the disc up to the signal's cutoff, phases uniformly, both once for all. The
    affine layer starts at no movement. `transform`, (3, 3), maps homogeneous image coordinates (x, y, 1), in units of
    the longer side with the origin in the centre, to those where the sines are read: the identity, unless one sets it
    to measure equivariance. Sines faster than the cutoff, after scaling, fade out.
    """

    def __init__(self, channels, signal, **settings):
        super().__init__(**settings)
        self.channels, self.signal = channels, Signal(*signal)

    def build(self, input_shape):
        """Frequencies (channels, 2), phases (channels,), a transform and the two trainable matrices."""

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
        """Rotation by (cos, sin), after translation by (x, y), after `transform`."""
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

    def compute_output_shape(self, input_shape):
        """The signal's size."""
        return (input_shape[0], *self.signal.size, self.channels)

    def get_config(self):
        """All arguments."""
        return {**super().get_config(), "channels": self.channels, "signal": tuple(self.signal)}


@_register
class NormalisedModulatedConv2D(ModulatedConv2D):
    """StyleGAN2's modulated convolution of an input at unit magnitude (section 3.2, "normalization").

    call([x (B, H, W, C), w (B, D)]) -> (B, H + k - 1, W + k - 1, filters), k = kernel_size, odd: all that a kernel over
    an x surrounded by zeros gives. x is divided by the root of its running mean square, `magnitude`; an image's own
    statistics would tell of its content everywhere.
    """

    def __init__(self, filters, kernel_size, decay=0.999, **settings):
        super().__init__(filters, kernel_size, **settings)
        self.decay = decay

    def build(self, input_shape):
        """The magnitude, that of all replicas, besides kernel, bias and affine function."""
        super().build(input_shape)
        self.magnitude = self.add_weight(
            name="magnitude", shape=(), initializer="ones", trainable=False, aggregation="mean"
        )

    def follow(self, x):
        """Move the magnitude towards that of x, in training; apart from `call`, which may run twice in a step."""
        present = ops.mean(ops.stop_gradient(ops.cast(x, "float32")) ** 2)
        self.magnitude.assign(present + self.decay * (self.magnitude - present))

    def call(self, inputs):
        """Linear in x."""
        x, w = inputs
        x = ops.cast(x * ops.cast(ops.rsqrt(self.magnitude), x.dtype), self.compute_dtype)
        around = (self.kernel_size // 2,) * 2
        return super().call([ops.pad(x, ((0, 0), around, around, (0, 0))), w])

    def compute_output_shape(self, input_shape):
        """Larger by the kernel's reach."""
        batch, height, width, _ = input_shape[0]
        return (batch, height + self.kernel_size - 1, width + self.kernel_size - 1, self.filters)

    def get_config(self):
        """All arguments."""
        return {**super().get_config(), "decay": self.decay}
