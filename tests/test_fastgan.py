"""FastGAN's light generator: sizes, classes, and gates that coarse maps open and close."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from medgan_tf import config, networks, training

pytestmark = pytest.mark.usefixtures("float32_again")
SMALL = {"base_filters": 2, "latent_dim": 8, "critic_filters": 32}


@pytest.mark.parametrize("size", [(64, 64), (112, 112), (128, 192)])
def test_images_have_the_size_asked_for(size):
    generator, critic = networks.build("fastgan", size, 3, **SMALL)
    assert generator.output_shape == (None, *size, 1)
    assert critic.output_shape == (None, 1)
    images = generator([tf.random.normal((2, 8)), tf.constant([0, 2])])
    assert np.abs(images).max() <= 1


def test_a_size_that_is_no_map_doubled_is_refused():
    with pytest.raises(ValueError, match="does not give"):
        networks.build("fastgan", 72, **SMALL)


def test_a_step_trains_every_layer_and_the_tables_of_all_classes():
    settings = config.PROFILES["quick"].training("cgan", architecture="fastgan", network=SMALL, batch_size=6)
    gan = training.build(replace(settings, discriminator_steps=1), 64, 3)
    variables = gan.generator.trainable_variables
    before = [variable.numpy() for variable in variables]
    images = tf.random.stateless_uniform((6, 64, 64, 1), (0, 1), -1, 1)
    gan.train_step((images, tf.constant([0, 1, 2] * 2)))
    for old, new in zip(before, variables, strict=True):
        changed = (old != new.numpy()).reshape(len(old), -1)
        assert changed.any(), new.path
        if "embeddings" in new.path:
            assert changed.any(axis=1).all(), new.path


def test_a_coarse_map_scales_the_channels_of_the_map_16_times_as_large():
    generator, _ = networks.build("fastgan", 64, **SMALL)
    gates = [layer for layer in generator.layers if getattr(layer, "activation", None) is keras.activations.sigmoid]
    last = [layer for layer in gates if layer.output.shape[1:3] == (1, 1)]
    assert len(last) == 1
    latents = tf.random.normal((4, 8), seed=1)
    opened = generator(latents).numpy()
    last[0].kernel.assign(last[0].kernel - 1e3)
    assert np.abs(generator(latents).numpy() - opened).max() > 0
