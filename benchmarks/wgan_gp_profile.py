"""Where the time of our conditional WGAN-GP step goes on the CPU, and the least that its arithmetic would take.

The parts are timed one by one as compiled functions, in turns, and given as shares of the whole step within a round, so
that other load meets all of them alike; they add up to about 1, as alone each part runs a little differently. The floor
counts the floating-point operations of every convolution and matrix product in the graph of one step (TensorFlow's
own profiler) and divides them by the rate of a large matrix product here: no step of these networks can be faster
without doing less. What lies between is memory traffic, small layers and launching operations.
"""

import numpy as np
import tensorflow as tf

from benchmarks import interleaved_timing
from benchmarks.train_step import BATCHES, ours
from medgan_tf.training.losses import gradient_penalty

BATCH, CRITIC_STEPS = 32, 5
SIDE = 2048  # of the matrices that measure the machine
STEP, PRODUCT = "whole step", "matrix product"


def parts(gan, images, labels):
    """{name: (function, times in a step)} of one step."""
    real, own = images[:BATCH], labels[:BATCH]
    latents, fake = tf.random.normal((BATCH, gan.latent_dim)), tf.random.uniform(real.shape, -1, 1)
    weights = tf.random.uniform((BATCH, 1, 1, 1))
    critic = gan.discriminator.trainable_variables

    def score(x):
        return gan.discriminator([x, own], training=True)

    def generate():
        return gan.generator([latents, own], training=True)

    def critic_loss():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(score(fake)) - tf.reduce_mean(score(real))
        return tape.gradient(loss, critic)

    def penalty():
        with tf.GradientTape() as tape:
            loss = gradient_penalty(score, real, fake, weights)
        return [gradient for gradient in tape.gradient(loss, critic) if gradient is not None]

    def generator_update():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(score(generate()))
        gan.generator_optimizer.apply(tape.gradient(loss, gan.generator.trainable_variables))
        return loss

    def critic_optimizer():
        gan.discriminator_optimizer.apply([tf.zeros_like(v) for v in critic])
        return 0.0

    return {
        "critic: scores of real and generated images": (tf.function(critic_loss), CRITIC_STEPS),
        "critic: gradient penalty": (tf.function(penalty), CRITIC_STEPS),
        "critic: Adam": (tf.function(critic_optimizer), CRITIC_STEPS),
        "generator: images for the critic": (tf.function(generate), CRITIC_STEPS - 1),  # the last batch serves both
        "generator: its own update": (tf.function(generator_update), 1),
        STEP: (tf.function(lambda: gan.train_step((images, labels))), 1),
    }


def operations(function):
    """Floating-point operations of a function's graph, without those of its loops' shapes."""
    graph = function.get_concrete_function().graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    return tf.compat.v1.profiler.profile(graph, options=options.with_empty_output().build()).total_float_ops


def share(name, found, scale):
    """A row: seconds of a function, so many times, over those of the whole step in the same rounds."""
    ratios = {
        kind: [scale * one[kind] / other[kind] for one, other in zip(found[name], found[STEP], strict=True)]
        for kind in ("seconds", "processor_seconds")
    }
    median, processor = (float(np.median(values)) for values in ratios.values())
    spread = np.percentile(ratios["seconds"], [25, 75]).tolist()
    return interleaved_timing.measured(name, median, "of the step", spread, len(found[name]), ours_processor=processor)


def main():
    """Time the parts in turns."""
    options = interleaved_timing.parser(__doc__, rounds=6).parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    gan, data = ours("cgan")
    functions = parts(gan, *next(iter(data)))
    matrix = tf.random.normal((SIDE, SIDE))
    timed = {name: function for name, (function, _) in functions.items()}
    timed[PRODUCT] = tf.function(lambda: matrix @ matrix)
    # As arrays: what TensorFlow returns may not be computed yet.
    sides = {name: lambda run=run: tf.nest.map_structure(np.asarray, run()) for name, run in timed.items()}
    found = {name: turn for name, (_, turn) in interleaved_timing.interleave(sides, options.rounds).items()}
    rows = [share(name, found, times) for name, (_, times) in functions.items() if name != STEP]
    count = operations(functions[STEP][0])
    floor = share(PRODUCT, found, count / (2 * SIDE**3))
    note = f"{count / 1e9:.0f} gigaflop for {BATCHES['cgan']} images"
    rows.append(floor | {"what": "floor: its arithmetic at the rate of a large matrix product", "note": note})
    interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
