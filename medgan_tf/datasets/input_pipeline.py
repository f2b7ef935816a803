"""tf.data without autotuning.

The autotuner is a thread that sleeps 10 ms, then twice as long each time. When the iterator of a dataset is deleted,
TensorFlow 2.21 may wait for that thread to wake up, so that `fit` and `predict` take up to twice as long.
"""


def without_autotune(data):
    """The same tf.data.Dataset with autotuning switched off."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def predict(network, inputs, batch_size):
    """`network.predict` of an array (n, ...), or of a list of arrays for a network with several inputs."""
    import tensorflow as tf

    inputs = tuple(inputs) if isinstance(inputs, list) else inputs
    data = tf.data.Dataset.from_tensor_slices((inputs,)).batch(batch_size).prefetch(1)
    return network.predict(without_autotune(data), verbose=0)
