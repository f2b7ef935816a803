"""One Keras model that trains any generator and discriminator; all it draws and decides follows from (seed, step)."""

import math

import keras
import numpy as np
import tensorflow as tf

from medgan_tf.datasets import input_pipeline
from medgan_tf.networks import replicas
from medgan_tf.networks.sampling import sample
from medgan_tf.training import checkpoint, optimizers
from medgan_tf.training.augment import BLUR, blurred
from medgan_tf.training.losses import ADVERSARIAL, gradient_penalty, path_length_penalty, path_lengths, r1_penalty

PENALTIES = ("none", "wgan_gp", "r1")


class GAN(keras.Model):
    """A generator and a discriminator with their losses, optimizers and an averaged copy of the generator.

    generator, discriminator: what `networks.build` returns. loss: a key of `losses.ADVERSARIAL`.
    penalty: "none", "wgan_gp" or "r1", times penalty_weight, at every penalty_interval-th step; a lazy penalty is
    multiplied by its interval, so that its mean strength stays (Karras et al. 2020, section 3.1).
    discriminator_steps: discriminator updates for one of the generator, each with real images of its own: a batch
    of `fit` then holds discriminator_steps * batch_size images.
    ema_kimg: half-life of the generator's running average in thousands of images (Karras et al. 2018); early in
    training a twentieth of the images seen, if that is less. Its BatchNorm statistics are averaged alike.
    augmentation: an augment.Augmentation of all that the discriminator sees, or None.
    blur_kimg: above 0, all that the discriminator sees is blurred at first, and sharp after so many thousand images.
    path_length_weight: above 0, of the path length penalty (Karras et al. 2020, section 3.2) on half a batch at every
    path_length_interval-th step, lazy as the other; for generators with layers "styles" and "synthesis".
    Networks with a layer named "growing" grow by their own schedule; `callbacks.Growth` sets the stage.

    `fit` takes batches (images (B, H, W, C) float32 in [-1, 1], labels (B,) int32). Random numbers are functions of
    seed and step: a restored model continues with the very numbers that it would have drawn. (XLA lays the same
    stream out in another order, so jit_compile changes the numbers, not their distribution.)
    """

    def __init__(
        self,
        generator,
        discriminator,
        loss="non_saturating",
        penalty="none",
        penalty_weight=10.0,
        penalty_interval=1,
        discriminator_steps=1,
        ema_kimg=10.0,
        augmentation=None,
        blur_kimg=0.0,
        path_length_weight=0.0,
        path_length_interval=4,
        seed=0,
    ):
        super().__init__(name="gan")
        if loss not in ADVERSARIAL:
            raise ValueError(f"There is no loss '{loss}'; choose one of {', '.join(ADVERSARIAL)}.")
        if penalty not in PENALTIES:
            raise ValueError(f"There is no penalty '{penalty}'; choose one of {', '.join(PENALTIES)}.")
        if penalty != "none" and _has_batch_norm(discriminator):
            raise ValueError(
                "A gradient penalty needs a discriminator without BatchNorm, which ties each score to the whole batch: "
                'build it with discriminator_norm="none".'
            )
        if augmentation and augmentation.target is not None and loss not in ("non_saturating", "hinge"):
            raise ValueError(f"Adaptive augmentation reads the sign of the scores, which '{loss}' gives no meaning.")
        self.generator = generator
        self.discriminator = discriminator
        self.generator_ema = keras.models.clone_model(generator)
        self.generator_ema.set_weights(generator.get_weights())
        networks = (self.generator, self.discriminator, self.generator_ema)
        self.growing = [layer for network in networks for layer in network.layers if layer.name == "growing"]
        self.augmentation = augmentation
        self.blur_kimg = blur_kimg
        self.latent_dim = generator.inputs[0].shape[-1]
        self.conditional = len(generator.inputs) > 1
        self.adversarial = ADVERSARIAL[loss]
        self.penalty, self.penalty_weight, self.penalty_interval = penalty, penalty_weight, penalty_interval
        self.path_length_weight, self.path_length_interval = path_length_weight, path_length_interval
        self.discriminator_steps = discriminator_steps
        self.ema_kimg = ema_kimg
        self.seed = seed
        self.step = _counter("step")
        self.images_seen = _counter("images_seen")
        self.best_score = keras.Variable(float("inf"), trainable=False, name="best_score")
        self.best_coverage = keras.Variable(0.0, trainable=False, name="best_coverage")
        self.path_length_mean = keras.Variable(0.0, trainable=False, name="path_length_mean", aggregation="mean")
        names = ("generator_loss", "discriminator_loss", "real_score", "fake_score")
        names += ("penalty",) if penalty != "none" else ()
        names += ("path_length_penalty",) if path_length_weight else ()
        self.trackers = {name: keras.metrics.Mean(name) for name in names}
        self.built = True

    def compile(self, generator_optimizer, discriminator_optimizer, **settings):
        """Take two optimizers, built here so that a checkpoint finds all their slots; settings as for keras.Model."""
        super().compile(**settings)
        self.generator_optimizer = optimizers.scaled(generator_optimizer)
        self.discriminator_optimizer = optimizers.scaled(discriminator_optimizer)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def metrics(self):
        """The means that Keras sets back at the start of each epoch."""
        return list(self.trackers.values())

    def make_train_function(self, force=False):
        """As Keras makes it; of several devices' values it would reduce the logs, which are theirs together already."""
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
        """All is built. Keras would see to it with a batch reduced over the devices, which several machines refuse."""

    def get_metrics_result(self):
        """What `fit` logs at the end of an epoch; with several devices the means over all of them."""
        logs = super().get_metrics_result()
        if self.augmentation:
            logs["augmentation_probability"] = float(self.augmentation.probability.numpy())
        return logs

    def sample(self, count, labels=None, seed=0):
        """(count, H, W, C) uint8 from the averaged generator."""
        return sample(self._here(self.generator_ema), count, labels, seed)

    def scores(self, images, labels):
        """(n,) the discriminator's score of each image (n, H, W, C) uint8, not augmented.

        Some discriminators compare within a batch.
        """
        scaled = images / np.float32(127.5) - 1
        scores = input_pipeline.predict(self._here(self.discriminator), self._inputs(scaled, labels), 64)
        return scores.reshape(len(images), -1)[:, 0]

    def _here(self, network):
        """The network as this process runs it alone: `predict` of one that several devices share calls on all."""
        alone = self.distribute_strategy.num_replicas_in_sync == 1
        return network if alone else keras.Model(network.inputs, network.outputs[0])

    def save_state(self, path):
        """Write every variable to one .npz file: networks, average, optimizers, counters, best score."""
        checkpoint.save(path, self._state())

    def load_state(self, path):
        """Set every variable from save_state's file. Raises ValueError if it is of another model or is damaged."""
        checkpoint.load(path, self._state())

    def _state(self):
        """Every variable by a name that depends on its place alone; layers' automatic names count up in a process."""
        parts = {
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "generator_ema": self.generator_ema.variables,
            "generator_optimizer": optimizers.slots(self.generator_optimizer),
            "discriminator_optimizer": optimizers.slots(self.discriminator_optimizer),
            "training": [self.step, self.images_seen, self.best_score, self.best_coverage, self.path_length_mean],
            "augmentation": self.augmentation.variables if self.augmentation else [],
        }
        return {
            f"{part}/{index:04d}": variable
            for part, variables in parts.items()
            for index, variable in enumerate(variables)
        }

    def train_step(self, data):
        """discriminator_steps updates of the discriminator, one of the generator. Returns the running means."""
        images, labels = data
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for layer in self.growing:
            layer.fade(self.images_seen.value)
        fresh = zip(
            tf.split(images, self.discriminator_steps),
            tf.split(labels, self.discriminator_steps),
            strict=True,
        )
        for index, (real, real_labels) in enumerate(fresh):
            last = index == self.discriminator_steps - 1
            # The last batch of fakes serves both networks: made once, under the generator's tape.
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                if last:
                    tape.watch([v.value for v in self.generator.trainable_variables])
                fake = self._update_discriminator(real, real_labels, index, replicas)
                if last:
                    generator_loss = self.adversarial.generator(self._score(fake, real_labels, index, 0))
                    total = generator_loss + self._path_length(real_labels)
                    scaled = optimizers.part(self.generator_optimizer, total)
        variables = self.generator.trainable_variables
        optimizers.apply(self.generator_optimizer, tape.gradient(scaled, variables), variables)
        self.trackers["generator_loss"].update_state(generator_loss)
        self.step.assign_add(1)
        seen = tf.shape(images, tf.int64)[0] * replicas
        self.images_seen.assign_add(seen)
        self._update_average(tf.cast(seen, tf.float32))
        logs = {name: tracker.result() for name, tracker in self.trackers.items()}
        if self.augmentation:
            logs["augmentation_probability"] = self.augmentation.probability.value
        return logs

    def _update_discriminator(self, real, labels, index, replicas):
        """One update; returns the fakes of it.

        R1 comes before the fakes, since what their generator keeps for its own update would lie beside it.
        """
        optimizer, latents = self.discriminator_optimizer, self._random(index, tf.shape(real)[0], self.latent_dim)
        real_scores, real_loss, gradients = self._pass(real, labels, index, 1, self.adversarial.real)
        if self.penalty == "r1":
            gradients = self._penalised(gradients, real, None, labels, index)
        fake = self.generator(self._inputs(self._after(latents, gradients), labels), training=True)
        fixed = tf.stop_gradient(fake)
        fake_scores, fake_loss, more = self._pass(fixed, labels, index, 2, self.adversarial.fake)
        gradients = optimizers.added(gradients, more)
        if self.penalty == "wgan_gp":
            gradients = self._penalised(gradients, real, fixed, labels, index)
        optimizers.apply(optimizer, gradients, self.discriminator.trainable_variables)
        if self.augmentation:
            self.augmentation.update(real_scores, tf.shape(real)[0] * replicas)
        self.trackers["discriminator_loss"].update_state(real_loss + fake_loss)
        self.trackers["real_score"].update_state(real_scores)
        self.trackers["fake_score"].update_state(fake_scores)
        return fake

    def _pass(self, images, labels, index, use, loss):
        """Scores of images, the loss of them, and what it adds to the gradients of the discriminator."""
        variables = self.discriminator.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in variables])
            scores = self._score(images, labels, index, use)
            value = loss(scores)
            scaled = optimizers.part(self.discriminator_optimizer, value)
        return scores, value, tape.gradient(scaled, variables)

    def _after(self, inputs, gradients):
        """For one pass after the other: what one keeps for its derivatives is gone when the next begins.

        Only where XLA compiles, mostly for a GPU, whose memory is what is short; uncompiled, several cores work on
        passes side by side.
        """
        return optimizers.after(inputs, gradients) if self.jit_compile else inputs

    def _score(self, images, labels, index, use):
        """(B, 1): scores of images, blurred and augmented; each use (by generator, of real, of fake) draws its own."""
        if self.blur_kimg:
            sharp = tf.cast(self.images_seen.value, tf.float32) / (self.blur_kimg * 1000.0)
            images = blurred(images, BLUR * tf.maximum(1.0 - sharp, 0.0))
        if self.augmentation:
            images = self.augmentation(images, self._seed(2 * self.discriminator_steps + 3 * index + use))
        return self.discriminator(self._inputs(images, labels), training=True)

    def _penalised(self, gradients, real, fake, labels, index):
        """The gradients of the discriminator with those of the penalty, where it is due."""
        variables, real = self.discriminator.trainable_variables, self._after(real, gradients)
        # Its derivative is taken inside the condition: from outside, all that it needs would be kept in every step,
        # and XLA could not follow it everywhere.
        penalty, more = self._lazily(
            lambda: self._penalty(real, fake, labels, index),
            self.penalty_interval,
            lambda: (0.0, [tf.zeros_like(v.value) for v in variables]),
        )
        self.trackers["penalty"].update_state(penalty * self.penalty_interval)
        return optimizers.added(gradients, more)

    def _penalty(self, real, fake, labels, index):
        """The penalty, and what it adds to the gradients of the discriminator."""

        def score(images):
            return self._score(images, labels, index, 1)

        variables = [v.value for v in self.discriminator.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            if self.penalty == "r1":
                penalty = r1_penalty(score, real)
            else:
                draw = tf.random.stateless_uniform
                weights = self._random(self.discriminator_steps + index, tf.shape(real)[0], 1, draw)
                penalty = gradient_penalty(score, real, fake, weights[:, :, None, None])
            total = self.penalty_weight * self.penalty_interval * penalty
            scaled = optimizers.part(self.discriminator_optimizer, total)
        return penalty, tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _path_length(self, labels):
        """The weighted penalty, under the generator's tape; moves the running mean of path lengths."""
        if not self.path_length_weight:
            return 0.0
        half = tf.maximum(tf.shape(labels)[0] // 2, 1)
        stream = 5 * self.discriminator_steps  # those below are the penalty's, the latents' and the augmentation's
        styles = keras.Model(self.generator.inputs, self.generator.get_layer("styles").output)
        latents = self._random(stream, half, self.latent_dim)
        # what devices do together, here the mean w, has no place in what is lazy
        ws = styles(self._inputs(latents, labels[:half]), training=True)

        def lengths():
            noise = self._random(stream + 1, half, math.prod(self.generator.output_shape[1:]))
            return path_lengths(
                lambda ws: self.generator.get_layer("synthesis")(ws, training=True),
                ws,
                tf.reshape(noise, (-1, *self.generator.output_shape[1:])),
            )

        due = self._due(self.path_length_interval)
        lengths = self._lazily(lengths, self.path_length_interval, lambda: tf.zeros(half))
        average = tf.distribute.get_replica_context().all_reduce("MEAN", tf.reduce_mean(lengths))
        value, mean = path_length_penalty(lengths, average, self.path_length_mean.value)
        value = tf.where(due, value, 0.0)
        self.path_length_mean.assign(tf.where(due, mean, self.path_length_mean.value))
        self.trackers["path_length_penalty"].update_state(value * self.path_length_interval)
        return self.path_length_weight * self.path_length_interval * value

    def _due(self, interval):
        return self.step.value % interval == 0

    def _lazily(self, penalty, interval, otherwise):
        return penalty() if interval == 1 else tf.cond(self._due(interval), penalty, otherwise)

    def _update_average(self, batch):
        half_life = tf.minimum(self.ema_kimg * 1000.0, tf.cast(self.images_seen.value, tf.float32) / 20.0)
        decay = 0.5 ** (batch / half_life)
        fading = [layer.alpha for layer in self.growing]
        for average, current in zip(self.generator_ema.variables, self.generator.variables, strict=True):
            if average.dtype.startswith("float") and not any(average is alpha for alpha in fading):
                average.assign(current.value + decay * (average.value - current.value))

    def _random(self, stream, batch, size, draw=tf.random.stateless_normal):
        """(batch, size) float32 of this step; a replica draws the numbers of the global batch and takes its own."""
        return replicas.draw(lambda shape: draw(shape, seed=self._seed(stream), alg="philox"), batch, size)

    def _seed(self, stream):
        return tf.stack([tf.constant(self.seed, tf.int64) + (stream << 32), self.step.value])

    def _inputs(self, first, labels):
        return [first, labels] if self.conditional else first


def _counter(name):
    return keras.Variable(0, dtype="int64", trainable=False, name=name, aggregation="only_first_replica")


def _has_batch_norm(network):
    return any(isinstance(layer, keras.layers.BatchNormalization) for layer in network._flatten_layers())
