"""The training step of WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, Algorithm 1), optionally conditional.

The critic D estimates the Wasserstein distance between real images x and generated images G(z):

    L_D = E[D(G(z))] - E[D(x)] + penalty_weight * E[(||grad D(x_hat)||_2 - 1)^2],    x_hat = x + u (G(z) - x)
    L_G = -E[D(G(z))]

with latents z from N(0, I) and one u from U(0, 1) for each image. A conditional critic scores an image given its label;
real and generated images of a minibatch have the same labels. One departure from Algorithm 1: the generator is updated
with the images of the last critic step instead of fresh ones, which saves a pass through it.
"""

import tensorflow as tf

from medgan_tf.training import optimizers
from medgan_tf.training.gan import FAKE, FAKE_FOR_GENERATOR, GAN, REAL
from medgan_tf.training.losses import gradient_penalty, refuse_batch_norm


class WGANGP(GAN):
    """Several critic steps with gradient penalty, then one generator step. `discriminator` in `GAN` is the critic here.

    Args: those of `GAN`; discriminator_steps is the paper's n_critic (5), penalty_weight its lambda.
    Raises ValueError for a critic with BatchNorm, in which the score of an image depends on its whole batch.

    >>> generator, critic = networks.build("cgan", 64, num_classes=3)
    >>> gan = WGANGP(generator, critic, discriminator_steps=5)
    >>> gan.compile(keras.optimizers.Adam(1e-4, 0.0, 0.9), keras.optimizers.Adam(1e-4, 0.0, 0.9))
    >>> gan.fit(batches)  # of (images (5 * b, H, W, 1), labels (5 * b,))
    """

    zero_separates_real_from_fake = False

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

        def last_critic_step_and_generator_loss():
            fake = self.update_critic(real, labels, last)  # one forward pass of the generator serves both networks
            return [self.generator_loss(fake, labels, last)]

        return self.update_generator(last_critic_step_and_generator_loss, data)

    def generator_loss(self, fake, labels, index):
        """A scalar."""
        # 6. The generator raises the critic's scores of its images.
        return negative_mean(self.score(fake, labels, index, FAKE_FOR_GENERATOR))

    def update_critic(self, real, labels, index):
        """One update of the critic; returns the generated images (b, H, W, C) that it saw."""
        # 1. The critic raises its scores of real images.
        real_loss, real_scores, gradients = self.discriminator_gradients(negative_mean, real, labels, index, REAL)

        # 2. The generator makes as many images with the same labels from fresh latents.
        fake = self.generate(labels, index, after=gradients)

        # 3. The critic lowers its scores of them; no gradient flows into the generator.
        detached = tf.stop_gradient(fake)
        fake_loss, fake_scores, more = self.discriminator_gradients(tf.reduce_mean, detached, labels, index, FAKE)
        gradients = optimizers.add_gradients(gradients, more)

        # 4. Penalty: at a random point on the line between a real and a generated image, the gradient of the score
        # should have norm 1. The interpolated images are augmented as the real ones are.
        real, stream = self.after_gradients(real, gradients), self.discriminator_steps + index
        u = self.random_numbers(stream, tf.shape(real)[0], 1, tf.random.stateless_uniform)[:, :, None, None]

        def score(images):
            return self.score(images, labels, index, REAL)

        penalty, more = self.penalty_gradients(
            lambda: gradient_penalty(score, real, detached, u), weight=self.penalty_weight
        )
        gradients = optimizers.add_gradients(gradients, more)

        # 5. One step of the critic's optimizer: `gradients` are now those of
        # real_loss + fake_loss + penalty_weight * penalty. The log keeps the penalty apart.
        logs = {"discriminator_loss": real_loss + fake_loss, "penalty": penalty}
        self.update_discriminator(gradients, real_score=real_scores, fake_score=fake_scores, **logs)
        return fake


def negative_mean(scores):
    """-E[D], the loss that raises scores."""
    return -tf.reduce_mean(scores)
