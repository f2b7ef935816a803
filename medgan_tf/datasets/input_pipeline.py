"""How arrays reach a network: tf.data without its tuner.

The tuner is a thread that sleeps 10 ms, then twice as long each time. TensorFlow 2.21 may wait for it to wake when a
data set's iterator goes, so that `fit` and `predict` take up to twice as long. Nothing here is to be tuned.
"""


def without_autotune(data):
    """The tf.data.Dataset without the tuner."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def predict(network, inputs, batch_size):
    """What `network.predict` returns for an array (n, ...), or for a list of arrays where it has several inputs."""
    import tensorflow as tf

    inputs = tuple(inputs) if isinstance(inputs, list) else inputs
    data = tf.data.Dataset.from_tensor_slices((inputs,)).batch(batch_size).prefetch(1)
    return network.predict(without_autotune(data), verbose=0)
