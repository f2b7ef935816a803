"""Adam as the trainings use it: falling rates, loss scaling, what a checkpoint keeps of it, and one step."""

import keras
import tensorflow as tf


def adam(learning_rate, settings, images):
    """Adam of a config.Training, each update of which is one of so many images."""
    if settings.decay_kimg:
        constant, falling = (round(kimg * 1000 / images) for kimg in (decay_begins(settings), settings.decay_kimg))
        learning_rate = keras.optimizers.schedules.CosineDecay(
            learning_rate, falling, warmup_target=learning_rate, warmup_steps=constant
        )
    return keras.optimizers.Adam(learning_rate, settings.beta_1, settings.beta_2)


def decay_begins(settings):
    """Thousand images after which the learning rates of a config.Training fall."""
    return settings.kimg - settings.decay_kimg


def scaled(optimizer):
    """float16 gradients underflow without loss scaling; Keras adds it only to an optimizer that it compiled itself."""
    if keras.config.dtype_policy().name == "mixed_float16" and not hasattr(optimizer, "inner_optimizer"):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def slots(optimizer):
    """Its variables but the learning rate, which is a setting: a training that goes on may let it fall."""
    return [variable for variable in optimizer.variables if variable.name != "learning_rate"]


def part(optimizer, loss):
    """What a device derives of its own loss: its share of the mean over all, scaled for float16."""
    return optimizer.scale_loss(loss / tf.distribute.get_strategy().num_replicas_in_sync)


def added(gradients, more):
    """The sum of two losses' gradients; what has none of the first stays without."""
    return [None if one is None else tf.add(one, other) for one, other in zip(gradients, more, strict=True)]


def after(inputs, gradients):
    """The inputs, which are there only once the gradients are: XLA heeds no control dependency, but this sum."""
    known = tf.add_n([tf.reshape(gradient, [-1])[0] for gradient in gradients if gradient is not None])
    return inputs + tf.where(known == known, 0.0, 1e-30)  # the same float32 either way, which no compiler can know


def apply(optimizer, gradients, variables):
    """One step; layers of stages to come have no gradient yet."""
    pairs = [pair for pair in zip(gradients, variables, strict=True) if pair[0] is not None]
    optimizer.apply(*zip(*pairs, strict=True))
