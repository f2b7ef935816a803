"""The training settings for a GPU with small networks: the whole step compiled by XLA.

Parts that compile alone may fail together: XLA cannot differentiate a gather or a repetition by a tensor inside a
condition from outside of it.
"""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from medgan_tf import config, training
from medgan_tf.datasets import input_pipeline

pytestmark = pytest.mark.usefixtures("float32_again")

STYLES = {"channel_base": 64, "channel_max": 8, "latent_dim": 16, "mapping_layers": 1}
SMALL = {  # model: (pixels, changes to its network)
    "stylegan2": (8, STYLES),
    "stylegan3_r": (16, STYLES | {"num_layers": 4}),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_full_profile_trains_compiled_by_xla(name):
    size, network = SMALL[name]
    settings = config.PROFILES["full"].training(name)
    assert settings.jit_compile
    settings = replace(settings, network=settings.network | network, batch_size=4, steps_per_execution=1)
    gan = training.build(settings, (size, size), num_classes=3)
    images = np.random.default_rng(0).uniform(-1, 1, (4, size, size, 1)).astype("float32")
    before = [variable.numpy() for variable in gan.generator.trainable_variables]
    data = input_pipeline.without_autotune(tf.data.Dataset.from_tensors((images, np.arange(4) % 3)).repeat())
    log = gan.fit(data, steps_per_epoch=2, verbose=0, shuffle=False).history
    assert log["penalty"][-1] > 0 and all(np.isfinite(values[-1]) for values in log.values())
    assert ("augmentation_probability" in log) == bool(settings.augmentation)
    moved = [(old != new.numpy()).any() for old, new in zip(before, gan.generator.trainable_variables, strict=True)]
    assert np.mean(moved) > 0.5
