"""What layers do alike on one device and on several: random numbers by image, BatchNorm over the whole batch."""

import tensorflow as tf
from keras import layers


def draw(numbers, batch, *shape):
    """The rows of this replica, (batch, *shape), of numbers((batch of all replicas, *shape)).

    Image i of a batch is on replica i modulo their number, so each image gets the numbers that one device would draw.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    if replicas == 1:
        return numbers((batch, *shape))
    everything = tf.reshape(numbers((batch * replicas, *shape)), (batch, replicas, *shape))
    return everything[:, context.replica_id_in_sync_group]


def batch_normalisation(**settings):
    """keras.layers.BatchNormalization with momentum 0.9, of the batch of all replicas where there are several."""
    return layers.BatchNormalization(**{"momentum": 0.9, "synchronized": tf.distribute.has_strategy()} | settings)
