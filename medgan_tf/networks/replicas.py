"""What keeps layers independent of the number of devices: random numbers by image, BatchNorm over the whole batch."""

import tensorflow as tf
from keras import layers


def draw(random, batch, *shape):
    """Random numbers (batch, *shape) for this replica's images.

    random: a function that draws numbers of a given shape. It is called for the batch of all replicas, and image i of
    that batch is on replica i modulo their number, so each image gets the numbers that it would get on one device.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context else 1
    if replicas == 1:
        return random((batch, *shape))
    numbers = tf.reshape(random((batch * replicas, *shape)), (batch, replicas, *shape))
    return numbers[:, context.replica_id_in_sync_group]


def batch_normalisation():
    """keras.layers.BatchNormalization with momentum 0.9, synchronised if there are several replicas."""
    return layers.BatchNormalization(momentum=0.9, synchronized=tf.distribute.has_strategy())
