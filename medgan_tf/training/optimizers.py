"""Adam as the trainings use it: falling learning rates, loss scaling, the state that a checkpoint keeps."""

import keras
import tensorflow as tf


def adam(learning_rate, settings, images_per_update):
    """Adam of a TrainingConfig; at the end of the training its learning rate falls to 0 along a cosine."""
    if settings.decay_kimg:
        constant, falling = (
            round(kimg * 1000 / images_per_update) for kimg in (decay_begins(settings), settings.decay_kimg)
        )
        learning_rate = keras.optimizers.schedules.CosineDecay(
            learning_rate, falling, warmup_target=learning_rate, warmup_steps=constant
        )
    return keras.optimizers.Adam(learning_rate, settings.beta_1, settings.beta_2)


def decay_begins(settings):
    """Thousands of images after which the learning rates of a TrainingConfig fall."""
    return settings.kimg - settings.decay_kimg


def with_loss_scaling(optimizer):
    """The optimizer with loss scaling under float16, whose gradients underflow otherwise.

    Keras adds it only to an optimizer that it compiles itself.
    """
    if keras.config.dtype_policy().name == "mixed_float16" and not hasattr(optimizer, "inner_optimizer"):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def state(optimizer):
    """Its variables except the learning rate, which is a setting: a resumed training may let it fall."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def per_replica_loss(optimizer, loss):
    """The loss divided by the number of replicas, whose gradients are summed, and scaled for float16."""
    return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)


def add_gradients(gradients, more):
    """The sums of two lists of gradients; None where the first has None."""
    return [None if one is None else tf.add(one, other) for one, other in zip(gradients, more, strict=True)]


def barrier(inputs, gradients):
    """The inputs, unchanged, but available only once the gradients exist.

    XLA ignores control dependencies, but not this sum: it cannot know that it adds nothing to a float32.
    """
    known = tf.add_n([tf.reshape(gradient, [-1])[0] for gradient in gradients if gradient is not None])
    return inputs + tf.where(known == known, 0.0, 1e-30)


def apply(optimizer, gradients, variables):
    """One step. Layers of a growing network's later stages have no gradient yet (None) and are left out."""
    pairs = [pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None]
    optimizer.apply(*zip(*pairs, strict=True))
