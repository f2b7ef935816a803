"""What StyleGAN2 and StyleGAN3 add to the non-saturating training step: path lengths, and blur at the start.

The path length penalty (Karras et al. 2020, arXiv 1912.04958, section 3.2) asks that a step of fixed length in w change
every image by about the same amount. StyleGAN3's configuration R first shows its discriminator blurred images (Karras
et al. 2021, arXiv 2106.12423, appendix).
"""

import math

import keras
import tensorflow as tf

from medgan_tf.training.augment import BLUR, blurred
from medgan_tf.training.losses import path_length_penalty, path_lengths
from medgan_tf.training.non_saturating import NonSaturatingGAN


class StyleGAN(NonSaturatingGAN):
    """Trains generators with layers "styles" and "synthesis", as networks.stylegan2 and stylegan3 build them.

    Args: those of `NonSaturatingGAN`; path_length_weight: 0 for none; path_length_interval: the penalty is lazy, on
        half a batch at every so many steps; blur_kimg: all that the discriminator sees is blurred at first and sharp
        after so many thousand images.
    """

    def __init__(self, *networks, path_length_weight=0.0, path_length_interval=4, blur_kimg=0.0, **settings):
        logged = ["path_length_penalty"] if path_length_weight else []
        super().__init__(*networks, logged=logged, **settings)
        self.path_length_weight, self.path_length_interval = path_length_weight, path_length_interval
        self.blur_kimg = blur_kimg

    def score(self, images, labels, index, purpose):
        """As in `GAN`, of blurred images at first."""
        if self.blur_kimg:
            progress = tf.cast(self.images_seen.value, tf.float32) / (self.blur_kimg * 1000.0)
            images = blurred(images, BLUR * tf.maximum(1.0 - progress, 0.0))
        return super().score(images, labels, index, purpose)

    def generator_regularisation(self, labels):
        """The weighted path length penalty; moves the running mean of path lengths."""
        if not self.path_length_weight:
            return []
        half = tf.maximum(tf.shape(labels)[0] // 2, 1)
        stream = 5 * self.discriminator_steps  # lower ones are those of latents and augmentation
        styles = keras.Model(self.generator.inputs, self.generator.get_layer("styles").output)
        latents = self.random_numbers(stream, half, self.latent_dim)
        # outside the lazy part: devices compute the mean w together, which must not depend on a condition
        ws = styles(self._inputs(latents, labels[:half]), training=True)

        def lengths():
            shape = self.generator.output_shape[1:]
            noise = tf.reshape(self.random_numbers(stream + 1, half, math.prod(shape)), (-1, *shape))
            return path_lengths(lambda ws: self.generator.get_layer("synthesis")(ws, training=True), ws, noise)

        due, interval = self.is_due(self.path_length_interval), self.path_length_interval
        lengths = self.lazily(interval, lengths, lambda: tf.zeros(half))
        average = tf.distribute.get_replica_context().all_reduce("MEAN", tf.reduce_mean(lengths))
        value, mean = path_length_penalty(lengths, average, self.path_length_mean.value)
        value = tf.where(due, value, 0.0)
        self.path_length_mean.assign(tf.where(due, mean, self.path_length_mean.value))
        self.trackers["path_length_penalty"].update_state(value * interval)
        return [self.path_length_weight * interval * value]
