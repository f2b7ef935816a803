"""Self-attention between the pixels of a map (SAGAN, Zhang et al. 2019, arXiv 1805.08318), and how to look at it."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("medgan_tf")
class SelfAttention(layers.Layer):
    """x + gamma * attention (Zhang et al. 2019, section 3): (B, H, W, C) -> (B, H, W, C), H and W even, C at least 8.

    Queries and keys have C / 8 channels, values C / 2; keys and values are max-pooled to half the resolution, which
    quarters the memory (as in the authors' code). gamma starts at 0, where the layer changes nothing.
    """

    def build(self, input_shape):
        """Make four 1x1 convolutions and gamma."""
        channels = input_shape[-1]
        if channels < 8:
            raise ValueError(f"Self-attention needs at least 8 channels, an eighth of which it uses, not {channels}.")

        def convolution(width):
            return layers.Conv2D(width, 1, use_bias=False, dtype=self.dtype_policy)

        self.query, self.key, self.value = (convolution(channels // part) for part in (8, 8, 2))
        self.output_convolution = convolution(channels)
        for part in (self.query, self.key, self.value):
            part.build(input_shape)
        self.output_convolution.build((*input_shape[:-1], channels // 2))
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def attention(self, x):
        """Attention weights (B, H*W, H*W/4) float32: of each pixel (row) for each 2x2 cell; rows sum to 1."""
        keys = ops.cast(_flat(_pooled(self.key(x))), "float32")
        queries = ops.cast(_flat(self.query(x)), "float32")
        return ops.softmax(ops.matmul(queries, ops.transpose(keys, (0, 2, 1))), axis=-1)

    def call(self, x):
        """Add gamma times the convolved, weighted values to x."""
        weights = ops.cast(self.attention(x), x.dtype)
        mixed = ops.matmul(weights, _flat(_pooled(self.value(x))))  # (B, H*W, C/2)
        mixed = ops.reshape(mixed, (-1, *x.shape[1:3], mixed.shape[-1]))
        return x + self.gamma * self.output_convolution(mixed)


def _pooled(x):
    """Max-pool 2x2, written so because TensorFlow has no gradient of its MaxPool that is deterministic under XLA."""
    _, height, width, channels = x.shape
    return ops.max(ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels)), axis=(2, 4))


def _flat(x):
    """(B, H, W, C) -> (B, H*W, C)."""
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))


def attention_map(network, inputs):
    """The attention weights of a network for its inputs: (B, H, W, H/2, W/2) float32, each [b, h, w] sums to 1.

    Raises ValueError for a network without self-attention.
    """
    layer = next((layer for layer in network._flatten_layers() if isinstance(layer, SelfAttention)), None)
    if layer is None:
        raise ValueError(f"This {network.name} has no self-attention; build it with attention=32, for example.")
    recorded, method = [], layer.attention
    layer.attention = lambda x: recorded.append((x, method(x))) or recorded[-1][1]
    try:
        network(inputs, training=False)  # eagerly, so that the values can be recorded
    finally:
        del layer.attention  # restores the method of the class
    maps, weights = recorded[0]
    height, width = maps.shape[1:3]
    return ops.reshape(weights, (-1, height, width, height // 2, width // 2))
