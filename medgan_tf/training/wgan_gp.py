"""The training step of WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, Algorithm 1), conditional by choice.

The critic D estimates the Wasserstein distance between real images x and generated images G(z):

    L_D = E[D(G(z))] - E[D(x)] + penalty_weight * E[(|grad D(x_hat)| - 1)^2],    x_hat = x + u (G(z) - x)
    L_G = -E[D(G(z))]

with latents z from N(0, I) and one u from U(0, 1) for each image. A conditional critic scores an image given its label;
real and generated images of a minibatch have the same labels.
"""

import keras
import tensorflow as tf

from medgan_tf.training import optimizers
from medgan_tf.training.gan import FAKE, FOR_GENERATOR, GAN, REAL
from medgan_tf.training.losses import gradient_penalty


class WGANGP(GAN):
    """Several critic steps with gradient penalty, then one generator step; the discriminator is the critic.

    Args: those of `GAN`; discriminator_steps is the paper's n_critic (5), penalty_weight its lambda.
    Raises ValueError for a critic with BatchNorm, in which the score of an image depends on its whole batch.

    >>> generator, critic = networks.build("cgan", 64, num_classes=3)
    >>> gan = WGANGP(generator, critic, discriminator_steps=5)
    >>> gan.compile(keras.optimizers.Adam(1e-4, 0.5, 0.9), keras.optimizers.Adam(1e-4, 0.5, 0.9))
    >>> gan.fit(batches)  # of (images (5 * b, H, W, 1), labels (5 * b,))
    """

    scores_have_sign = False

    def __init__(self, generator, critic, penalty_weight=10.0, **settings):
        super().__init__(generator, critic, logged=["penalty"], **settings)
        refuse_batch_norm(critic)
        self.penalty_weight = penalty_weight

    def train_step(self, data):
        """n_critic updates of the critic, one of the generator."""
        *earlier, (real, labels) = self.minibatches(data)
        for index, minibatch in enumerate(earlier):
            self.update_critic(*minibatch, index)
        last = len(earlier)

        def generator_loss():
            fake = self.update_critic(real, labels, last)  # the images of the last critic step serve both networks
            # 6. The generator raises the critic's scores of its images.
            return [high_scores(self.score(fake, labels, last, FOR_GENERATOR))]

        return self.update_generator(generator_loss, data)

    def update_critic(self, real, labels, index):
        """One update of the critic; returns the generated images (b, H, W, C) that it saw."""
        # 1. The critic raises its scores of real images.
        loss_of_real, real_scores, gradients = self.discriminator_gradients(high_scores, real, labels, index, REAL)

        # 2. The generator makes as many images with the same labels from fresh latents.
        fake = self.generate(labels, index, after=gradients)

        # 3. The critic lowers its scores of them; the generator is held fixed.
        fixed = tf.stop_gradient(fake)
        loss_of_fake, fake_scores, more = self.discriminator_gradients(low_scores, fixed, labels, index, FAKE)
        gradients = optimizers.add_gradients(gradients, more)

        # 4. Penalty: at a random point between each pair of images, the gradient of the score should have norm 1.
        real = self.ordered(real, gradients)
        stream, uniform = self.discriminator_steps + index, tf.random.stateless_uniform
        u = self.random_numbers(stream, tf.shape(real)[0], 1, uniform)[:, :, None, None]

        def score(images):
            return self.score(images, labels, index, REAL)

        penalty, more = self.penalty_gradients(
            lambda: gradient_penalty(score, real, fixed, u), weight=self.penalty_weight
        )
        gradients = optimizers.add_gradients(gradients, more)

        # 5. One step of the critic's optimizer on the sum of the three.
        losses = {"discriminator_loss": loss_of_real + loss_of_fake, "penalty": penalty}
        self.update_discriminator(gradients, real_score=real_scores, fake_score=fake_scores, **losses)
        return fake


def high_scores(scores):
    """The loss -E[D]: low where scores are high."""
    return -tf.reduce_mean(scores)


def low_scores(scores):
    """The loss E[D]: low where scores are low."""
    return tf.reduce_mean(scores)


def refuse_batch_norm(discriminator):
    """Raise ValueError where a gradient penalty would not be that of one image."""
    layers = discriminator._flatten_layers()
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        raise ValueError(
            "A gradient penalty needs a discriminator without BatchNorm, which ties each score to the whole batch: "
            'build it with discriminator_norm="none".'
        )
