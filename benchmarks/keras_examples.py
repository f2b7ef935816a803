"""GANs trained as keras.io's examples show it, on networks that are given: plain `train_step`s of keras.Model.

Written after the descriptions of "DCGAN to generate face images" and "WGAN-GP overriding Model.train_step". What they
do otherwise than ours: each update draws its own fakes, real and generated images go through the discriminator in one
batch with noisy labels (DCGAN), generators are run under the critic's tape (WGAN-GP), nothing is averaged.
"""

import keras
import tensorflow as tf
from keras import ops

LATENTS = 100


class Dcgan(keras.Model):
    """Binary cross-entropy on real and generated images together, then on generated ones with the labels swapped."""

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.loss_function = keras.losses.BinaryCrossentropy(from_logits=True)
        self.losses_seen = [keras.metrics.Mean(name) for name in ("d_loss", "g_loss")]
        self.optimizers = [keras.optimizers.Adam(2e-4, 0.5) for _ in range(2)]
        self.compile()

    def train_step(self, data):
        """One update each."""
        real, count = data[0], tf.shape(data[0])[0]
        fake = self.generator(tf.random.normal((count, LATENTS)), training=True)
        images = tf.concat([fake, real], axis=0)
        labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            d_loss = self.loss_function(labels, self.discriminator(images, training=True))
        weights = self.discriminator.trainable_variables
        self.optimizers[0].apply(tape.gradient(d_loss, weights), weights)
        latents = tf.random.normal((count, LATENTS))
        with tf.GradientTape() as tape:
            scores = self.discriminator(self.generator(latents, training=True), training=True)
            g_loss = self.loss_function(tf.zeros((count, 1)), scores)
        weights = self.generator.trainable_variables
        self.optimizers[1].apply(tape.gradient(g_loss, weights), weights)
        return _seen(self.losses_seen, d_loss, g_loss)


class WassersteinGan(keras.Model):
    """Five critic updates with a gradient penalty, one of the generator; a batch holds the images of all five."""

    def __init__(self, generator, discriminator, critic_steps=5, penalty_weight=10.0):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.critic_steps, self.penalty_weight = critic_steps, penalty_weight
        self.losses_seen = [keras.metrics.Mean(name) for name in ("d_loss", "g_loss")]
        self.optimizers = [keras.optimizers.Adam(1e-4, 0.5, 0.9) for _ in range(2)]
        self.compile()

    def gradient_penalty(self, real, fake, labels):
        """Of images between the two."""
        between = real + tf.random.uniform((tf.shape(real)[0], 1, 1, 1)) * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.discriminator([between, labels], training=True)
        gradient = tape.gradient(scores, between)
        return tf.reduce_mean((tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]) + 1e-12) - 1.0) ** 2)

    def train_step(self, data):
        """All updates of one batch."""
        parts = zip(*(tf.split(part, self.critic_steps) for part in data), strict=True)
        for real, labels in parts:
            latents = tf.random.normal((tf.shape(real)[0], LATENTS))
            with tf.GradientTape() as tape:
                fake = self.generator([latents, labels], training=True)
                fake_scores = self.discriminator([fake, labels], training=True)
                real_scores = self.discriminator([real, labels], training=True)
                d_loss = ops.mean(fake_scores) - ops.mean(real_scores)
                d_loss += self.penalty_weight * self.gradient_penalty(real, fake, labels)
            weights = self.discriminator.trainable_variables
            self.optimizers[0].apply(tape.gradient(d_loss, weights), weights)
        latents = tf.random.normal((tf.shape(real)[0], LATENTS))
        with tf.GradientTape() as tape:
            fake = self.generator([latents, labels], training=True)
            g_loss = -ops.mean(self.discriminator([fake, labels], training=True))
        weights = self.generator.trainable_variables
        self.optimizers[1].apply(tape.gradient(g_loss, weights), weights)
        return _seen(self.losses_seen, d_loss, g_loss)


def _seen(means, *losses):
    for mean, loss in zip(means, losses, strict=True):
        mean.update_state(loss)
    return {mean.name: mean.result() for mean in means}


EXAMPLES = {"cgan": WassersteinGan, "dcgan": Dcgan}
