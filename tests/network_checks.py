"""Checks shared by the tests of every architecture that is trained with a gradient penalty."""

import numpy as np
import tensorflow as tf

from medgan_tf.training.losses import gradient_penalty


def batch(image_size, latent_dim, count=4, classes=3, seed=0):
    """Latents, labels and images that vary from pixel to pixel."""
    generator = np.random.default_rng(seed)
    latents = generator.standard_normal((count, latent_dim)).astype("float32")
    images = generator.uniform(-1, 1, (count, image_size, image_size, 1)).astype("float32")
    return tf.constant(latents), tf.constant(np.arange(count) % classes, tf.int32), tf.constant(images)


def wasserstein_gradients(generator, critic, latents, labels, images):
    """Both losses of WGAN-GP, then the gradients of all variables that have one."""

    def inputs(first):
        return [first, labels] if len(critic.inputs) > 1 else first

    with tf.GradientTape(persistent=True) as tape:
        fakes = generator(inputs(latents), training=True)
        weights = tf.constant([0.1, 0.4, 0.6, 0.9])[:, None, None, None]
        penalty = gradient_penalty(lambda x: critic(inputs(x), training=True), images, tf.stop_gradient(fakes), weights)
        fake_scores = critic(inputs(fakes), training=True)
        loss = tf.reduce_mean(fake_scores) - tf.reduce_mean(critic(inputs(images), training=True)) + 10 * penalty
        generator_loss = -tf.reduce_mean(fake_scores)
    gradients = tape.gradient(generator_loss, generator.trainable_variables)
    gradients += tape.gradient(loss, critic.trainable_variables)
    return [generator_loss, loss, *(gradient for gradient in gradients if gradient is not None)]


def check_compiled(generator, critic, *data):
    """Check that losses and gradients of a WGAN-GP step, with its second derivatives, are the same under XLA."""
    plain = tf.function(wasserstein_gradients)(generator, critic, *data)
    fused = tf.function(wasserstein_gradients, jit_compile=True)(generator, critic, *data)
    for one, other in zip(plain, fused, strict=True):
        largest = np.abs(one).max()
        assert np.isfinite(largest)
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3 * largest + 1e-5)
    return plain


def image_gradient(critic, images, labels):
    """d score / d image, (B, H, W, 1)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = critic([images, labels])
    return tape.gradient(score, images).numpy()
