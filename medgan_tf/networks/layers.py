"""Layers that several architectures share. Maps are (B, H, W, C); labels are (B,) int32.

All of them compile under XLA and hold under mixed precision: what would lose its meaning in half precision is computed
in float32.
"""

import math

import keras
from keras import layers, ops

from medgan_tf.networks.replicas import batch_normalisation
from medgan_tf.networks.resampling import upsampled_convolution

HE_GAIN = math.sqrt(2.0)  # keeps the variance through a rectifier (He et al. 2015)
_register = keras.saving.register_keras_serializable("medgan_tf")


@_register
class LeakyReLU(layers.LeakyReLU):
    """keras.layers.LeakyReLU as max(x, slope * x), for critics with a gradient penalty.

    TensorFlow differentiates its own operation a second time by running it backwards over zeros; a maximum costs
    nothing there, which cut the penalty's share of a WGAN-GP step by a quarter.
    """

    def call(self, inputs):
        """Any shape."""
        return ops.maximum(inputs, self.negative_slope * inputs)


@_register
class UpsampledConv2D(layers.Conv2D):
    """`resampling.upsampled_convolution` with a 3x3 kernel: (B, H, W, C) -> (B, 2H, 2W, filters).

    Pixels merely repeated, as in the first GANs with such blocks, leave a woven texture in images of short trainings.
    """

    def __init__(self, filters, **settings):
        super().__init__(filters, **{"kernel_size": 3, "padding": "same", **settings})

    def convolution_op(self, inputs, kernel):
        """What keras.layers.Conv2D calls, before bias and activation."""
        return upsampled_convolution(inputs, kernel)

    def compute_output_shape(self, input_shape):
        """Both sides are doubled."""
        batch, height, width, _ = input_shape
        return (batch, 2 * height, 2 * width, self.filters)


class _Equalised(layers.Layer):
    """Weights are N(0, 1 / multiplier) and scaled by gain * multiplier / sqrt(fan_in) each time they are used.

    Adam moves every weight by about as much; equal initial variances make that equal learning speeds (Karras et al.
    2018, section 4.1). The multiplier scales the learning rate of this layer (Karras et al. 2019 take 0.01).
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

    def get_config(self):
        own = {name: getattr(self, name) for name in ("gain", "learning_rate_multiplier", "use_bias")}
        return {**super().get_config(), **own}


@_register
class EqualisedDense(_Equalised):
    """(B, C) -> (B, units) with equalised learning rate."""

    def __init__(self, units, **settings):
        super().__init__(**settings)
        self.units = units

    def build(self, input_shape):
        """One kernel (C, units)."""
        self._add_weights((input_shape[-1], self.units))

    def call(self, x):
        """Linear; the activation is a layer of its own."""
        return self._biased(ops.matmul(x, self.kernel * self.scale))

    def compute_output_shape(self, input_shape):
        """The last axis becomes `units`."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """All arguments."""
        return {**super().get_config(), "units": self.units}


@_register
class EqualisedConv2D(_Equalised):
    """(B, H, W, C) -> (B, H, W, filters), zero-padded, with equalised learning rate; upsample doubles H and W."""

    def __init__(self, filters, kernel_size, upsample=False, **settings):
        super().__init__(**settings)
        if upsample and kernel_size != 3:
            raise ValueError(f"An upsampling convolution has a 3x3 kernel, not {kernel_size}x{kernel_size}.")
        self.filters, self.kernel_size, self.upsample = filters, kernel_size, upsample

    def build(self, input_shape):
        """One kernel (kernel_size, kernel_size, C, filters)."""
        self._add_weights((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))

    def call(self, x):
        """Linear; the activation is a layer of its own."""
        kernel = self.kernel * self.scale
        return self._biased(upsampled_convolution(x, kernel) if self.upsample else ops.conv(x, kernel, padding="same"))

    def compute_output_shape(self, input_shape):
        """Height and width stay or, with upsample, double."""
        batch, *sides, _ = input_shape
        return (batch, *(side * (2 if self.upsample else 1) for side in sides), self.filters)

    def get_config(self):
        """All arguments."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "upsample": self.upsample}
        return {**super().get_config(), **own}


@_register
class PixelNormalisation(layers.Layer):
    """Each pixel's channels (or each vector) divided by their root mean square (Karras et al. 2018, section 4.2)."""

    def call(self, x):
        """Any shape; over the last axis."""
        wide = ops.cast(x, "float32")
        return ops.cast(wide * ops.rsqrt(ops.mean(wide**2, axis=-1, keepdims=True) + 1e-8), x.dtype)

    def compute_output_shape(self, input_shape):
        """As the input."""
        return input_shape


@_register
class MinibatchStandardDeviation(layers.Layer):
    """Adds one channel that says how much the images of a group differ (Karras et al. 2018, section 3).

    (B, H, W, C) -> (B, H, W, C + 1): the standard deviation over the group of each value, averaged over pixels and
    channels. Groups have the largest size up to group_size that divides B; image i is in group i mod (B / size).
    """

    def __init__(self, group_size=4, **settings):
        super().__init__(**settings)
        self.group_size = group_size

    def call(self, x):
        """The only place in a critic where images of a batch meet."""
        batch, height, width, channels = ops.shape(x)
        size = self._group(batch)
        grouped = ops.reshape(ops.cast(x, "float32"), (size, batch // size, height, width, channels))
        deviation = ops.sqrt(ops.var(grouped, axis=0) + 1e-8)  # (groups, H, W, C)
        deviation = ops.mean(deviation, axis=(1, 2, 3), keepdims=True)
        feature = ops.tile(deviation, (size, height, width, 1))
        return ops.concatenate([x, ops.cast(feature, x.dtype)], axis=-1)

    def _group(self, batch):
        if isinstance(batch, int):
            return max(size for size in range(1, self.group_size + 1) if batch % size == 0)
        sizes = ops.arange(1, self.group_size + 1)
        return ops.max(ops.where(batch % sizes == 0, sizes, 1))

    def compute_output_shape(self, input_shape):
        """One more channel."""
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        """All arguments."""
        return {**super().get_config(), "group_size": self.group_size}


@_register
class LabelEmbedding(layers.Embedding):
    """Labels (B,) -> (B, width): keras.layers.Embedding as a product with one-hot rows.

    Its gradient is then dense, as optimizers under XLA need it. An unknown label gives zeros.
    """

    def call(self, labels):
        """One row of the table for each label."""
        chosen = ops.one_hot(labels, self.input_dim, dtype=self.compute_dtype)
        return ops.matmul(chosen, ops.cast(self.embeddings, self.compute_dtype))


@_register
class ConditionalBatchNormalisation(layers.Layer):
    """BatchNorm with a scale and a shift for each class (Dumoulin et al. 2017); for generators only.

    call([x (B, H, W, C), labels (B,)]) -> (B, H, W, C).
    """

    def __init__(self, num_classes, momentum=0.9, **settings):
        super().__init__(**settings)
        self.num_classes, self.momentum = num_classes, momentum

    def build(self, input_shape):
        """Statistics for all classes together; a table of scales and one of shifts."""
        maps, labels = input_shape
        channels, same = maps[-1], {"dtype": self.dtype_policy}
        self.normalisation = batch_normalisation(momentum=self.momentum, center=False, scale=False, **same)
        self.normalisation.build(maps)
        self.scales = LabelEmbedding(self.num_classes, channels, embeddings_initializer="ones", **same)
        self.shifts = LabelEmbedding(self.num_classes, channels, embeddings_initializer="zeros", **same)
        self.scales.build(labels)
        self.shifts.build(labels)

    def call(self, inputs, training=None):
        """Statistics of the batch in training, running ones otherwise."""
        x, labels = inputs
        scale, shift = self.scales(labels)[:, None, None, :], self.shifts(labels)[:, None, None, :]
        return self.normalisation(x, training=training) * scale + shift

    def compute_output_shape(self, input_shape):
        """As the maps."""
        return input_shape[0]

    def get_config(self):
        """All arguments."""
        return {**super().get_config(), "num_classes": self.num_classes, "momentum": self.momentum}
