"""Layers shared by the small classifiers: the feature classifier, and the classifiers of the augmentation study."""

import numpy as np

FILTERS = (16, 32, 64, 128)


def random_layers(x, seeds):
    """(B, S, S, C) in [-1, 1], randomly shifted, rotated, zoomed and changed in brightness and contrast in training."""
    from keras import layers

    x = layers.RandomTranslation(0.06, 0.06, fill_mode="nearest", seed=next(seeds))(x)
    x = layers.RandomRotation(0.02, fill_mode="nearest", seed=next(seeds))(x)
    x = layers.RandomZoom(0.1, fill_mode="nearest", seed=next(seeds))(x)
    x = layers.RandomBrightness(0.1, value_range=(-1, 1), seed=next(seeds))(x)
    return layers.RandomContrast(0.2, value_range=(-1, 1), seed=next(seeds))(x)


def convolutions(x, seeds):
    """(B, S, S, C) -> (B, 128): five convolutions, the first four of stride 2, and global average pooling."""
    from keras import layers

    for number, filters in enumerate((*FILTERS, FILTERS[-1])):
        strides = 2 if number < len(FILTERS) else 1
        x = layers.Conv2D(filters, 3, strides=strides, padding="same", **options(seeds))(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
    return layers.GlobalAveragePooling2D()(x)


def options(seeds):
    """Layer arguments: no bias, and He initialisation with its own seed, so that the global seed is not used."""
    import keras

    return {"use_bias": False, "kernel_initializer": keras.initializers.HeNormal(seed=next(seeds))}


def seeds_of(seed):
    """An iterator of seeds, one for each random layer or initialiser of a network."""
    return iter(np.random.default_rng(seed).integers(2**31, size=32).tolist())
