"""The classifiers of the augmentation study: a small network for a CPU, or any model of keras.applications."""

from inspect import getmodule, isfunction

import keras
import numpy as np
from keras import layers

from medgan_tf.config import shape
from medgan_tf.datasets.input_pipeline import predict
from medgan_tf.metrics.classifier_layers import convolutions, options, random_layers, seeds_of


class Classifier:
    """One architecture that is trained repeatedly from new weights; TensorFlow traces its training step only once.

    settings: config.AugmentationStudyConfig. classical: vary the training images by shifts, small rotations, zoom,
    brightness and contrast. Raises ValueError for a backbone that Keras does not have.
    """

    def __init__(self, image_size, classes, settings, classical=False):
        self.settings = settings
        self.build = lambda seed: network(image_size, classes, settings, classical, seed)
        self.model = self.build(0)
        self.model.compile(
            keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        self.model.optimizer.build(self.model.trainable_variables)

    def train(self, split, seed, on_step):
        """Train from new weights for settings.steps steps on a datasets.ImageSet; call on_step() after each."""
        for variable, fresh in zip(self.model.variables, self.build(seed).variables, strict=True):
            variable.assign(fresh)
        for variable in self.model.optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))
        self.model.fit(
            split.batches(self.settings.batch_size, seed),
            steps_per_epoch=self.settings.steps,
            shuffle=False,  # the batches are shuffled already
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: on_step())],
        )

    def logits(self, images):
        """Logits float32 (N, classes) of images uint8 (N, H, W, 1)."""
        return predict(self.model, images / np.float32(127.5) - 1, 256)


def network(image_size, classes, settings, classical, seed):
    """The keras.Model from (B, H, W, 1) in [-1, 1] to logits (B, classes). Sets Keras's seed of this process."""
    keras.utils.set_random_seed(seed)
    seeds = seeds_of(seed)
    inputs = keras.Input(shape(image_size))
    x = random_layers(inputs, seeds) if classical else inputs
    x = convolutions(x, seeds) if settings.backbone == "small" else _application(x, settings)
    x = layers.Dropout(0.2, seed=next(seeds))(x)
    return keras.Model(inputs, layers.Dense(classes, **options(seeds))(x))


def _application(x, settings):
    """Features (B, D) of (B, H, W, 1) in [-1, 1] by the named model of keras.applications, with its preprocessing."""
    build = getattr(keras.applications, settings.backbone, None)
    if not isfunction(build):
        known = "'small' or a model of keras.applications, such as 'MobileNetV2' or 'DenseNet121'"
        raise ValueError(f"There is no backbone '{settings.backbone}'; take {known}.")
    colour = layers.Concatenate()([(x + 1) * 127.5] * 3)
    backbone = build(include_top=False, weights=None, input_shape=tuple(colour.shape[1:]), pooling="avg")
    return backbone(getmodule(build).preprocess_input(colour))
