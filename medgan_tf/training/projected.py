"""The training step of a projected discriminator, alone or beside WGAN-GP's critic of pixels.

    L_P = E[max(0, 1 - P(x))] + E[max(0, 1 + P(G(z)))]        (hinge, the mean over all patches of all heads)
    L_G = critic_weight * -E[D(G(z))] - E[P(G(z))]

P sees augmented images through fixed features (Sauer et al. 2021, arXiv 2111.01007): it brings anatomy and texture
within few images, but alone it can lose diversity. The critic D of pixels, trained as in wgan_gp.py, keeps it.
"""

import keras
import tensorflow as tf

from medgan_tf.training import optimizers
from medgan_tf.training.gan import FAKE, FAKE_FOR_GENERATOR, REAL
from medgan_tf.training.wgan_gp import WGANGP, negative_mean


class ProjectedGAN(WGANGP):
    """WGAN-GP whose generator learns from a projected discriminator as well.

    Args: generator, critic as in `WGANGP`; projected: what `networks.projected.build` returns; critic_weight: of the
    critic in the generator's loss, 0 for the projected discriminator alone; view: an `augment.Augmentation` of what the
    projected discriminator sees, or None. Others as in `WGANGP`.
    """

    def __init__(self, generator, critic, projected, critic_weight=1.0, view=None, **settings):
        super().__init__(generator, critic, **settings)
        self.projected, self.critic_weight, self.view = projected, critic_weight, view
        for name in ("projected_loss", "projected_real_score", "projected_fake_score"):
            self.trackers[name] = keras.metrics.Mean(name)

    def compile(self, generator_optimizer, discriminator_optimizer, projected_optimizer, **settings):
        """As in `GAN`, with the optimizer of the heads."""
        super().compile(generator_optimizer, discriminator_optimizer, **settings)
        self.projected_optimizer = optimizers.with_loss_scaling(projected_optimizer)
        self.projected_optimizer.build(self.projected.trainable_variables)

    def update_critic(self, real, labels, index):
        """One update of the critic and one of the heads, of the same images; returns the generated ones."""
        if self.critic_weight:
            fake = super().update_critic(real, labels, index)
        else:
            fake = self.generate(labels, index, after=[real])
        self.update_heads(real, tf.stop_gradient(fake), labels, index)
        return fake

    def generator_loss(self, fake, labels, index):
        """Both discriminators' scores of generated images, which the generator raises."""
        loss = negative_mean(self.look(fake, labels, index, FAKE_FOR_GENERATOR))
        return loss + self.critic_weight * super().generator_loss(fake, labels, index) if self.critic_weight else loss

    def update_heads(self, real, fake, labels, index):
        """One hinge step of the heads. Real and generated images are scored apart, since heads have BatchNorm."""
        weights = self.projected.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            real_scores = self.look(real, labels, index, REAL)
            fake_scores = self.look(fake, labels, index, FAKE)
            loss = tf.reduce_mean(tf.nn.relu(1.0 - real_scores)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_scores))
            scaled = optimizers.per_replica_loss(self.projected_optimizer, loss)
        optimizers.apply(self.projected_optimizer, tape.gradient(scaled, weights), weights)
        scores = {"projected_loss": loss, "projected_real_score": real_scores, "projected_fake_score": fake_scores}
        for name, value in scores.items():
            self.trackers[name].update_state(value)

    def look(self, images, labels, index, purpose):
        """(b, N): the projected discriminator's scores of the augmented images; purpose as in `score`."""
        if self.view:
            stream = 5 * self.discriminator_steps + 2 + 3 * index + purpose  # behind those of `GAN`
            images = self.view(images, self._seed(stream))
        return self.projected(self._inputs(images, labels), training=True)

    def _state(self):
        further = {
            "projected": self.projected.variables,
            "projected_optimizer": optimizers.state(self.projected_optimizer),
        }
        return super()._state() | self._numbered(further)
