"""The training step of the classic GAN (Goodfellow et al. 2014, arXiv 1406.2661), optionally with the R1 penalty.

    L_D = E[softplus(-D(x))] + E[softplus(D(G(z)))] + r1_weight / 2 * E[|grad D(x)|^2]
    L_G = E[softplus(-D(G(z)))]        (the non-saturating loss: -log of the probability that the image is real)

R1 (Mescheder et al. 2018, arXiv 1801.04406) holds the scores flat around real images. It may be lazy: taken at every
k-th step only, with k times the weight, which costs little and has the same mean (Karras et al. 2020, section 3.1).
"""

import tensorflow as tf

from medgan_tf.training import optimizers
from medgan_tf.training.gan import FAKE, FAKE_FOR_GENERATOR, GAN, REAL
from medgan_tf.training.losses import cross_entropy_of_fake, cross_entropy_of_real, r1_penalty, refuse_batch_norm


class NonSaturatingGAN(GAN):
    """Discriminator steps, then one generator step: for the dense GAN, DCGAN and, with StyleGAN's parts, StyleGAN.

    Args: those of `GAN`; r1_weight: gamma of the penalty, 0 for none; r1_interval: steps from one penalty to the next.
    Raises ValueError for a penalty with a discriminator that has BatchNorm.
    """

    def __init__(self, generator, discriminator, r1_weight=0.0, r1_interval=1, logged=(), **settings):
        logged = [*logged, "penalty"] if r1_weight else logged
        super().__init__(generator, discriminator, logged=logged, **settings)
        if r1_weight:
            refuse_batch_norm(discriminator)
        self.r1_weight, self.r1_interval = r1_weight, r1_interval

    def train_step(self, data):
        """discriminator_steps updates of the discriminator, one of the generator."""
        *earlier, (real, labels) = self.minibatches(data)
        for index, minibatch in enumerate(earlier):
            self.train_discriminator(*minibatch, index)
        last = len(earlier)

        def last_discriminator_step_and_generator_losses():
            fake = self.train_discriminator(real, labels, last)  # one forward pass of the generator
            scores = self.score(fake, labels, last, FAKE_FOR_GENERATOR)
            return [cross_entropy_of_real(scores), *self.generator_regularisation(labels)]

        return self.update_generator(last_discriminator_step_and_generator_losses, data)

    def generator_regularisation(self, labels):
        """Further losses of the generator; none here."""
        return []

    def train_discriminator(self, real, labels, index):
        """One update of the discriminator; returns the generated images (b, H, W, C) that it saw."""
        real_loss, real_scores, gradients = self.discriminator_gradients(
            cross_entropy_of_real, real, labels, index, REAL
        )
        losses = {}
        if self.r1_weight:  # before the generated images, whose activations the generator's update keeps in memory
            losses["penalty"], more = self._lazy_r1(self.after_gradients(real, gradients), labels, index)
            gradients = optimizers.add_gradients(gradients, more)
        fake = self.generate(labels, index, after=gradients)
        fake_loss, fake_scores, more = self.discriminator_gradients(
            cross_entropy_of_fake, tf.stop_gradient(fake), labels, index, FAKE
        )
        losses["discriminator_loss"] = real_loss + fake_loss
        gradients = optimizers.add_gradients(gradients, more)
        self.update_discriminator(gradients, real_score=real_scores, fake_score=fake_scores, **losses)
        return fake

    def _lazy_r1(self, real, labels, index):
        """(penalty, its gradients): R1 at every r1_interval-th step, zeros otherwise."""

        def penalty():
            return r1_penalty(lambda images: self.score(images, labels, index, REAL), real)

        # The derivative is taken inside the condition: from outside, all that it needs would be kept in every step,
        # and XLA could not follow it everywhere.
        weights = self.discriminator.trainable_variables
        value, gradients = self.lazily(
            self.r1_interval,
            lambda: self.penalty_gradients(penalty, self.r1_weight * self.r1_interval),
            lambda: (0.0, [tf.zeros_like(weight.value) for weight in weights]),
        )
        return value * self.r1_interval, gradients

    def lazily(self, interval, compute, otherwise):
        """compute() at every interval-th step, otherwise() at the others."""
        return compute() if interval == 1 else tf.cond(self.is_due(interval), compute, otherwise)

    def is_due(self, interval):
        """Whether this step is one of every interval-th, a bool tensor."""
        return self.step.value % interval == 0
