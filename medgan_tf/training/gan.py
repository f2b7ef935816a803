"""Base class of all GAN training steps: two networks, their optimizers, an averaged generator, and exact resume.

An algorithm is one subclass in one file that implements `train_step`: WGANGP in wgan_gp.py, NonSaturatingGAN in
non_saturating.py, StyleGAN in stylegan.py. What several devices, half precision and exact resume need is here.
"""

import keras
import numpy as np
import tensorflow as tf

from medgan_tf.datasets import input_pipeline
from medgan_tf.networks import replicas
from medgan_tf.networks.sampling import sample
from medgan_tf.training import checkpoint, optimizers

LOGGED = ("generator_loss", "discriminator_loss", "real_score", "fake_score")  # means over an epoch
# Random streams of a step with n discriminator steps: 0 to n - 1 latents, n to 2n - 1 interpolation weights,
# 2n + 3 * index + purpose augmentation, 5n and 5n + 1 path lengths.
FAKE_FOR_GENERATOR, REAL, FAKE = range(3)  # why images are scored; each kind is augmented independently


class GAN(keras.Model):
    """Two networks to be trained against each other; subclasses implement `train_step`.

    Args:
        generator, discriminator: what `networks.build` returns; conditional ones take labels (B,) int32 as well.
        discriminator_steps: discriminator updates per generator update (n_critic), each on a fresh minibatch: a batch
            of `fit` holds discriminator_steps * batch_size images.
        ema_kimg: half-life of the generator's exponential moving average, in thousands of real images (Karras et al.
            2018, arXiv 1710.10196); ramped up: at most 5% of the images seen so far.
        augmentation: an `augment.Augmentation` of everything that the discriminator sees, or None.
        seed: every random number is a function of this seed and the step, so that a resumed training draws the
            numbers it would have drawn. (Under XLA the same stream is laid out in another order.)
        logged: names of further losses whose means `fit` logs.

    `fit` takes batches (images (B, H, W, C) float32 in [-1, 1], labels (B,) int32). A network with a layer named
    "growing" grows by its own schedule, which `callbacks.GrowthCallback` follows.
    """

    zero_separates_real_from_fake = True  # whether the loss gives the sign of a score this meaning

    def __init__(
        self, generator, discriminator, discriminator_steps=1, ema_kimg=10.0, augmentation=None, seed=0, logged=()
    ):
        super().__init__(name="gan")
        if augmentation and augmentation.target is not None and not self.zero_separates_real_from_fake:
            raise ValueError("Adaptive augmentation reads the sign of the scores, which has no meaning for this loss.")
        self.generator, self.discriminator = generator, discriminator
        self.generator_ema = keras.models.clone_model(generator)
        self.generator_ema.set_weights(generator.get_weights())
        networks = (self.generator, self.discriminator, self.generator_ema)
        self.growing = [layer for network in networks for layer in network.layers if layer.name == "growing"]
        self.augmentation = augmentation
        self.latent_dim = generator.inputs[0].shape[-1]
        self.conditional = len(generator.inputs) > 1
        self.discriminator_steps, self.ema_kimg, self.seed = discriminator_steps, ema_kimg, seed
        self.step, self.images_seen = _counter("step"), _counter("images_seen")
        self.best_score = keras.Variable(float("inf"), trainable=False, name="best_score")
        self.best_coverage = keras.Variable(0.0, trainable=False, name="best_coverage")
        self.path_length_mean = keras.Variable(0.0, trainable=False, name="path_length_mean", aggregation="mean")
        self.trackers = {name: keras.metrics.Mean(name) for name in (*LOGGED, *logged)}
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizer, **settings):
        """Set both optimizers and build them, so that a checkpoint finds their state; settings as in keras.Model."""
        super().compile(**settings)
        self.generator_optimizer = optimizers.with_loss_scaling(generator_optimizer)
        self.discriminator_optimizer = optimizers.with_loss_scaling(discriminator_optimizer)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    # ------------------------------------------------------------ building blocks for train_step

    def minibatches(self, data):
        """A batch of `fit` as a list of (real (b, H, W, C), labels (b,)), one for each discriminator step."""
        images, labels = data
        for layer in self.growing:
            layer.fade(self.images_seen.value)
        steps = self.discriminator_steps
        return list(zip(tf.split(images, steps), tf.split(labels, steps), strict=True))

    def generate(self, labels, index, after):
        """(b, H, W, C): one image of a fresh latent for each label; after: gradients that XLA must compute first."""
        latents = self.random_numbers(index, tf.shape(labels)[0], self.latent_dim)
        return self.generator(self._inputs(self.after_gradients(latents, after), labels), training=True)

    def score(self, images, labels, index, purpose):
        """(b, 1): scores of the augmented images; purpose is REAL, FAKE or FAKE_FOR_GENERATOR."""
        if self.augmentation:
            images = self.augmentation(images, self._seed(2 * self.discriminator_steps + 3 * index + purpose))
        return self.discriminator(self._inputs(images, labels), training=True)

    def discriminator_gradients(self, loss, images, labels, index, purpose):
        """(loss, scores, gradients of the loss with respect to the discriminator's weights) of these images."""
        weights = self.discriminator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            scores = self.score(images, labels, index, purpose)
            value = loss(scores)
            scaled = optimizers.per_replica_loss(self.discriminator_optimizer, value)
        return value, scores, tape.gradient(scaled, weights)

    def penalty_gradients(self, penalty, weight):
        """(penalty, gradients of weight * penalty); zeros for weights that the penalty does not depend on."""
        weights = [variable.value for variable in self.discriminator.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            value = penalty()
            scaled = optimizers.per_replica_loss(self.discriminator_optimizer, weight * value)
        return value, tape.gradient(scaled, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def update_discriminator(self, gradients, **logs):
        """Apply one discriminator step; logs: losses and scores of this minibatch by their names."""
        optimizers.apply(self.discriminator_optimizer, gradients, self.discriminator.trainable_variables)
        if self.augmentation:
            scores = logs["real_score"]
            self.augmentation.update(scores, tf.shape(scores)[0] * tf.distribute.get_strategy().num_replicas_in_sync)
        for name, value in logs.items():
            self.trackers[name].update_state(value)

    def update_generator(self, losses, data):
        """Apply one generator step to the sum of losses(); return the logs of `fit`."""
        weights = self.generator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([weight.value for weight in weights])
            loss, *regularisation = losses()
            scaled = optimizers.per_replica_loss(self.generator_optimizer, sum(regularisation, loss))
        optimizers.apply(self.generator_optimizer, tape.gradient(scaled, weights), weights)
        self.trackers["generator_loss"].update_state(loss)
        self.step.assign_add(1)
        images = tf.shape(data[0], tf.int64)[0] * tf.distribute.get_strategy().num_replicas_in_sync
        self.images_seen.assign_add(images)
        self._update_average(tf.cast(images, tf.float32))
        logs = {name: tracker.result() for name, tracker in self.trackers.items()}
        if self.augmentation:
            logs["augmentation_probability"] = self.augmentation.probability.value
        return logs

    def after_gradients(self, inputs, gradients):
        """The inputs; where XLA compiles, only once the gradients exist.

        XLA then frees the activations of one pass before the next begins: it compiles mostly for GPUs, whose memory is
        scarce. Without XLA, CPU cores compute several passes at a time, which is faster.
        """
        return optimizers.barrier(inputs, gradients) if self.jit_compile else inputs

    def random_numbers(self, stream, batch, size, draw=tf.random.stateless_normal):
        """(batch, size) float32 of this step; a replica draws the numbers of the global batch and takes its own."""
        return replicas.draw(lambda shape: draw(shape, seed=self._seed(stream), alg="philox"), batch, size)

    def _seed(self, stream):
        return tf.stack([tf.constant(self.seed, tf.int64) + (stream << 32), self.step.value])

    def _inputs(self, first, labels):
        return [first, labels] if self.conditional else first

    def _update_average(self, batch):
        half_life = tf.minimum(self.ema_kimg * 1000.0, tf.cast(self.images_seen.value, tf.float32) / 20.0)
        decay = 0.5 ** (batch / half_life)
        fading = [layer.alpha for layer in self.growing]
        for average, current in zip(self.generator_ema.variables, self.generator.variables, strict=True):
            if average.dtype.startswith("float") and not any(average is alpha for alpha in fading):
                average.assign(current.value + decay * (average.value - current.value))

    # ------------------------------------------------------------ between the steps

    def sample(self, count, labels=None, seed=0):
        """(count, H, W, C) uint8 from the averaged generator."""
        return sample(self._on_this_process(self.generator_ema), count, labels, seed)

    def scores(self, images, labels):
        """(n,) the discriminator's scores of images (n, H, W, C) uint8, not augmented, in batches of 64.

        Some discriminators compare the images of a batch, so the order matters.
        """
        scaled = images / np.float32(127.5) - 1
        network = self._on_this_process(self.discriminator)
        return input_pipeline.predict(network, self._inputs(scaled, labels), 64).reshape(len(images), -1)[:, 0]

    def _on_this_process(self, network):
        """The network outside the strategy: `predict` on a distributed network would run on every device."""
        alone = self.distribute_strategy.num_replicas_in_sync == 1
        return network if alone else keras.Model(network.inputs, network.outputs[0])

    def save_state(self, path):
        """Write every variable to one .npz file: networks, average, optimizers, counters, best score."""
        checkpoint.save(path, self._state())

    def load_state(self, path):
        """Set every variable from a file of `save_state`. Raises ValueError for another model or a damaged file."""
        checkpoint.load(path, self._state())

    def _state(self):
        return self._numbered(
            {
                "generator": self.generator.variables,
                "discriminator": self.discriminator.variables,
                "generator_ema": self.generator_ema.variables,
                "generator_optimizer": optimizers.state(self.generator_optimizer),
                "discriminator_optimizer": optimizers.state(self.discriminator_optimizer),
                "training": [self.step, self.images_seen, self.best_score, self.best_coverage, self.path_length_mean],
                "augmentation": self.augmentation.variables if self.augmentation else [],
            }
        )

    @staticmethod
    def _numbered(parts):
        """Every variable under a name from its position; Keras numbers names per process, so they change."""
        return {
            f"{part}/{index:04d}": variable
            for part, variables in parts.items()
            for index, variable in enumerate(variables)
        }

    # ------------------------------------------------------------ what Keras calls

    @property
    def metrics(self):
        """The means that Keras resets at the start of each epoch."""
        return list(self.trackers.values())

    def get_metrics_result(self):
        """The logs of `fit` at the end of an epoch; with several devices the means over all of them."""
        logs = super().get_metrics_result()
        if self.augmentation:
            logs["augmentation_probability"] = float(self.augmentation.probability.numpy())
        return logs

    def make_train_function(self, force=False):
        """Keras's implementation on one device; on several it would reduce logs that are means over all already."""
        strategy = self.distribute_strategy
        if strategy.num_replicas_in_sync == 1:
            return super().make_train_function(force)
        if self.train_function is None or force:

            @tf.function(reduce_retracing=True)
            def one_step(iterator):
                logs = strategy.run(self.train_step, args=(next(iterator),))
                return {name: strategy.experimental_local_results(value)[0] for name, value in logs.items()}

            self.train_function = one_step
        return self.train_function

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing to build. Keras would reduce a batch over the devices to do so, which several machines refuse."""


def _counter(name):
    return keras.Variable(0, dtype="int64", trainable=False, name=name, aggregation="only_first_replica")
