"""Self-attention over an image's places (SAGAN, Zhang et al. 2019), and where it looks."""

import keras
from keras import layers, ops

_register = keras.saving.register_keras_serializable("medgan_tf")


@_register
class SelfAttention(layers.Layer):
    """x + gamma * attention (Zhang et al. 2019, section 3): (B, H, W, C) -> (B, H, W, C), H and W even, C at least 8.

    Queries and keys have C / 8 channels, values C / 2; keys and values are max-pooled to half the resolution, which
    quarters the memory (as in the authors' code). gamma starts at 0: an untrained layer changes nothing.
    """

    def build(self, input_shape):
        """Four 1x1 convolutions and gamma."""
        channels = input_shape[-1]
        if channels < 8:
            raise ValueError(f"Self-attention takes an eighth of the channels, of which there are only {channels}.")

        def convolution(width):
            return layers.Conv2D(width, 1, use_bias=False, dtype=self.dtype_policy)

        self.query, self.key, self.value = (convolution(channels // part) for part in (8, 8, 2))
        self.output_convolution = convolution(channels)
        for part in (self.query, self.key, self.value):
            part.build(input_shape)
        self.output_convolution.build((*input_shape[:-1], channels // 2))
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def attention(self, x):
        """The map, (B, H*W, H*W/4) float32: how much each pixel (row) takes from each 2x2 cell; rows sum to 1."""
        keys = ops.cast(_flat(_pooled(self.key(x))), "float32")
        queries = ops.cast(_flat(self.query(x)), "float32")
        return ops.softmax(ops.matmul(queries, ops.transpose(keys, (0, 2, 1))), axis=-1)

    def call(self, x):
        """Mix the values by the map and add them to x."""
        weights = ops.cast(self.attention(x), x.dtype)
        mixed = ops.matmul(weights, _flat(_pooled(self.value(x))))  # (B, H*W, C/2)
        mixed = ops.reshape(mixed, (-1, *x.shape[1:3], mixed.shape[-1]))
        return x + self.gamma * self.output_convolution(mixed)

    def compute_output_shape(self, input_shape):
        """As the input."""
        return input_shape


def _pooled(x):
    return ops.max_pool(x, 2, strides=2)


def _flat(x):
    """(B, H, W, C) -> (B, H*W, C)."""
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))


def attention_map(network, inputs):
    """Where the self-attention of a network looks: (B, H, W, H/2, W/2) float32, each [b, h, w] summing to 1.

    inputs: what the network takes. Raises ValueError if it has no self-attention.
    """
    layer = next((layer for layer in network._flatten_layers() if isinstance(layer, SelfAttention)), None)
    if layer is None:
        raise ValueError(f"This {network.name} has no self-attention; build it with attention=32, say.")
    seen, attend = [], layer.attention
    layer.attention = lambda x: seen.append((x, attend(x))) or seen[-1][1]
    try:
        network(inputs, training=False)  # eagerly, so that the values pass by
    finally:
        del layer.attention  # the method is back
    maps, weights = seen[0]
    height, width = maps.shape[1:3]
    return ops.reshape(weights, (-1, height, width, height // 2, width // 2))
