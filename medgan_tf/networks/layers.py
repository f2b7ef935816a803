"""Layers that several architectures share. Maps are (B, H, W, C); labels are (B,) int32.

All of them compile under XLA and work under mixed precision: what half precision cannot represent is computed in
float32.
"""

import inspect
import math

import keras
from keras import layers, ops

from medgan_tf.networks.resampling import upsampled_convolution

HE_GAIN = math.sqrt(2.0)  # keeps the variance through a rectifier (He et al. 2015)
LARGEST_GROUP = 4  # images whose standard deviation a critic sees together
LABEL_WIDTH = 50  # length of the label vector that a conditional generator concatenates with its latent
_register = keras.saving.register_keras_serializable("medgan_tf")


@_register
class LeakyReLU(layers.LeakyReLU):
    """keras.layers.LeakyReLU as max(x, slope * x), for critics with a gradient penalty.

    The second derivative of TensorFlow's own operation is zero, but is computed nevertheless; that of a maximum is not.
    This cuts the time of the penalty in a WGAN-GP step by a quarter.
    """

    def call(self, inputs):
        """Return max(x, slope * x), in the shape of the input."""
        return ops.maximum(inputs, self.negative_slope * inputs)


@_register
class UpsampledConv2D(layers.Conv2D):
    """`resampling.upsampled_convolution` with a 3x3 kernel: (B, H, W, C) -> (B, 2H, 2W, filters).

    Repeated pixels instead, as in the first GANs with such blocks, leave a woven texture after short trainings.
    """

    def __init__(self, filters, **settings):
        super().__init__(filters, **{"kernel_size": 3, "padding": "same", **settings})

    def convolution_op(self, inputs, kernel):
        """Replace the convolution of keras.layers.Conv2D, which adds bias and activation."""
        return upsampled_convolution(inputs, kernel)

    def compute_output_shape(self, input_shape):
        """Twice the height and width."""
        batch, height, width, _ = input_shape
        return (batch, 2 * height, 2 * width, self.filters)


class ConfiguredLayer(layers.Layer):
    """Base of layers that keep each argument of their constructor as an attribute of the same name."""

    def get_config(self):
        """These arguments, also those of the base classes."""
        classes = [each for each in type(self).__mro__ if issubclass(each, ConfiguredLayer)]
        constructors = [vars(each)["__init__"] for each in classes if "__init__" in vars(each)]
        names = {name for each in constructors for name in inspect.signature(each).parameters} - {"self", "settings"}
        return {**super().get_config(), **{name: getattr(self, name) for name in sorted(names)}}


class _Equalised(ConfiguredLayer):
    """Base of layers with an equalised learning rate (Karras et al. 2018, section 4.1).

    Weights start as N(0, 1 / multiplier) and are scaled by gain * multiplier / sqrt(fan_in) whenever they are used.
    Adam changes every weight by about the same amount, so weights of equal variance learn equally fast. The multiplier
    scales the learning rate of this layer (Karras et al. 2019 use 0.01 for the mapping).
    """

    def __init__(self, gain=HE_GAIN, learning_rate_multiplier=1.0, use_bias=True, **settings):
        super().__init__(**settings)
        self.gain, self.learning_rate_multiplier, self.use_bias = gain, learning_rate_multiplier, use_bias

    def _add_weights(self, shape):
        self.scale = self.gain * self.learning_rate_multiplier / math.sqrt(math.prod(shape[:-1]))
        normal = keras.initializers.RandomNormal(0.0, 1.0 / self.learning_rate_multiplier)
        self.kernel = self.add_weight(shape=shape, initializer=normal, name="kernel")
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias") if self.use_bias else None

    def _biased(self, x):
        return x if self.bias is None else x + self.bias * self.learning_rate_multiplier


@_register
class EqualisedDense(_Equalised):
    """Dense layer (B, C) -> (B, units) with an equalised learning rate, without activation."""

    def __init__(self, units, **settings):
        super().__init__(**settings)
        self.units = units

    def build(self, input_shape):
        """Make the kernel (C, units) and the bias."""
        self._add_weights((input_shape[-1], self.units))

    def call(self, x):
        """Return x times the scaled kernel, plus the bias."""
        return self._biased(ops.matmul(x, self.kernel * self.scale))


@_register
class EqualisedConv2D(_Equalised):
    """Zero-padded convolution (B, H, W, C) -> (B, H, W, filters) with an equalised learning rate, without activation.

    upsample: double H and W first, through a low-pass filter; for 3x3 kernels only.
    """

    def __init__(self, filters, kernel_size, upsample=False, **settings):
        super().__init__(**settings)
        self.filters, self.kernel_size, self.upsample = filters, kernel_size, upsample

    def build(self, input_shape):
        """Make the kernel (kernel_size, kernel_size, C, filters) and the bias."""
        self._add_weights((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))

    def call(self, x):
        """Convolve with the scaled kernel and add the bias."""
        kernel = self.kernel * self.scale
        return self._biased(upsampled_convolution(x, kernel) if self.upsample else ops.conv(x, kernel, padding="same"))

    def compute_output_shape(self, input_shape):
        """The same height and width, or twice as much with upsample."""
        batch, *sides, _ = input_shape
        return (batch, *(side * (2 if self.upsample else 1) for side in sides), self.filters)


@_register
class PixelNormalisation(layers.Layer):
    """Divide each pixel's channels, or each vector, by their root mean square (Karras et al. 2018, section 4.2)."""

    def call(self, x):
        """Normalise over the last axis; any shape."""
        wide = ops.cast(x, "float32")
        return ops.cast(wide * ops.rsqrt(ops.mean(wide**2, axis=-1, keepdims=True) + 1e-8), x.dtype)


@_register
class MinibatchStandardDeviation(layers.Layer):
    """Append a channel that measures how much the images of a group differ (Karras et al. 2018, section 3).

    (B, H, W, C) -> (B, H, W, C + 1): the standard deviation of each value over the group, averaged over pixels and
    channels. Groups have the largest size up to 4 that divides B; image i is in group i mod (B / size).
    """

    def call(self, x):
        """Append the channel; the only operation of a critic that compares the images of a batch."""
        batch, height, width, channels = ops.shape(x)
        size = self._group(batch)
        grouped = ops.reshape(ops.cast(x, "float32"), (size, batch // size, height, width, channels))
        deviation = ops.sqrt(ops.var(grouped, axis=0) + 1e-8)  # (groups, H, W, C)
        deviation = ops.mean(deviation, axis=(1, 2, 3), keepdims=True)
        feature = ops.tile(deviation, (size, height, width, 1))
        return ops.concatenate([x, ops.cast(feature, x.dtype)], axis=-1)

    def _group(self, batch):
        if isinstance(batch, int):
            return max(size for size in range(1, LARGEST_GROUP + 1) if batch % size == 0)
        sizes = ops.arange(1, LARGEST_GROUP + 1)
        return ops.max(ops.where(batch % sizes == 0, sizes, 1))

    def compute_output_shape(self, input_shape):
        """The shape of the input with one more channel."""
        return (*input_shape[:-1], input_shape[-1] + 1)


@_register
class LabelEmbedding(layers.Embedding):
    """keras.layers.Embedding, labels (B,) -> (B, width), computed as a product of one-hot rows and the table.

    This makes its gradient dense, as optimizers need it under XLA. An unknown label gives zeros.
    """

    def call(self, labels):
        """Return one row of the table for each label."""
        chosen = ops.one_hot(labels, self.input_dim, dtype=self.compute_dtype)
        return ops.matmul(chosen, ops.cast(self.embeddings, self.compute_dtype))
