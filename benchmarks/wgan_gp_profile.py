"""Where the time of our conditional WGAN-GP step goes on the CPU, and the least that its arithmetic would take.

python -m benchmarks.wgan_gp_profile [--threads 2] [--steps 6] [--json FILE]

The parts are timed one by one as compiled functions, in turns, so that other load meets all of them alike. The floor
counts the floating-point operations of every convolution and matrix product in the graph of one step (TensorFlow's
own profiler) and divides them by the rate of a large matrix product here: no step of these networks can be faster
without doing less. What lies between is memory traffic, small layers and launching operations.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.train_step import BATCHES, ours
from medgan_tf.losses import gradient_penalty

BATCH, CRITIC_STEPS = 32, 5
SIDE = 2048  # of the matrices that measure the machine


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
        "whole step": (tf.function(lambda: gan.train_step((images, labels))), 1),
    }


def operations(function):
    """Floating-point operations of a function's graph, without those of its loops' shapes."""
    graph = function.get_concrete_function().graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    return tf.compat.v1.profiler.profile(graph, options=options.with_empty_output().build()).total_float_ops


def main():
    """Time the parts in turns and print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    gan, data = ours("cgan")
    images, labels = next(iter(data))
    functions = parts(gan, images, labels)
    matrix = tf.random.normal((SIDE, SIDE))
    functions["matrix product"] = tf.function(lambda: matrix @ matrix), 1
    seconds = {name: [] for name in functions}
    for turn in range(settings.steps + 1):
        for name, (function, _) in functions.items():
            started = time.perf_counter()
            tf.nest.map_structure(np.asarray, function())
            if turn:  # the first traces
                seconds[name].append(time.perf_counter() - started)
        print(f"turn {turn}", file=sys.stderr)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    step, rate = medians["whole step"], 2 * SIDE**3 / medians["matrix product"]
    count = operations(functions["whole step"][0])
    table = {
        "threads": settings.threads,
        "images_a_step": BATCHES["cgan"],
        "step_seconds": step,
        "parts": {
            name: {"seconds_a_step": medians[name] * times, "share": medians[name] * times / step}
            for name, (_, times) in functions.items()
            if name not in ("whole step", "matrix product")
        },
        "gigaflop_a_step": count / 1e9,
        "gigaflop_a_second_of_a_matrix_product": rate / 1e9,
        "floor_seconds": count / rate,
        "step_over_floor": step / (count / rate),
    }
    if settings.json:
        settings.json.write_text(json.dumps(table, indent=2) + "\n")
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
