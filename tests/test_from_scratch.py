"""The training step that each model's notebook writes out in plain Keras is the module's, to the last digits."""

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from medgan_tf import config, training
from medgan_tf.networks import replicas, stylegan2, styles

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CPU = config.PROFILES["quick"]
STYLES = {"latent_dim": 12, "channel_base": 256, "channel_max": 16, "mapping_layers": 2}
CASES = {  # notebook: settings of the module, classes, arguments of the notebook's class
    "02_gan": (replace(CPU.training("gan"), penalty="none", network={"latent_dim": 8, "units": 16}), 0, {}),
    "03_dcgan": (
        CPU.training("dcgan", penalty_weight=2.0, network={"base_filters": 8, "discriminator_norm": "none"}),
        0,
        {"gamma": 2.0},
    ),
    "04_cgan": (CPU.training("cgan", network={"base_filters": 16, "attention": 8}), 3, {"critic_steps": 2}),
    "04b_projected": (
        CPU.training(
            "projected",
            projected={"features": "random", "feature_size": 32, "filters": 4},
            critic_weight=0.0,
            discriminator_steps=1,
            network={"base_filters": 16},
        ),
        3,
        {},
    ),
    "05_stylegan": (
        CPU.training("stylegan2", penalty_weight=2.0, path_length_weight=2.0, network=STYLES),
        0,
        {"gamma": 2.0, "path_weight": 2.0},
    ),
}


class Draws:
    """Records the random numbers of one step, in their order, and hands them out again."""

    def __init__(self, monkeypatch):
        self.recorded, self.queue = [], None
        real_draw = replicas.draw

        def draw(numbers, batch, *shape):
            if self.queue is None:
                self.recorded.append(real_draw(numbers, batch, *shape))
                return self.recorded[-1]
            return self.next((batch, *shape))

        for module in (replicas, styles, stylegan2):
            monkeypatch.setattr(module, "draw", draw)
        for name in ("normal", "uniform"):
            monkeypatch.setattr(tf.random, name, self.next)

    def next(self, shape):
        """The next recorded numbers, (B, ...) of the asked shape."""
        return tf.reshape(self.queue.pop(0), shape)


def scratch_class(notebook):
    """The class in the notebook's tagged cells."""
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text())["cells"]
    tagged = [cell for cell in cells if "from-scratch" in cell["metadata"].get("tags", [])]
    namespace = {"keras": keras, "tf": tf}
    exec("\n".join("".join(cell["source"]) for cell in tagged), namespace)
    (found,) = (value for name, value in namespace.items() if name.startswith("Scratch"))
    return found


@pytest.mark.parametrize("notebook", CASES)
def test_the_step_of_the_notebook_equals_the_step_of_the_module(notebook, monkeypatch):
    settings, classes, arguments = CASES[notebook]
    settings = replace(settings, penalty_interval=1, path_length_interval=1)
    gan, twin = (training.build(settings, 16, classes) for _ in range(2))  # the same seed: the same weights
    judge = "projected" if notebook == "04b_projected" else "discriminator"
    if judge == "projected":
        gan.view = None
        for each in (gan, twin):  # Adam takes steps of one size, also where rounding decides their direction
            each.compile(*(keras.optimizers.SGD(0.1) for _ in range(3)))
    optimizers = twin.generator_optimizer, getattr(twin, f"{judge}_optimizer")
    scratch = scratch_class(notebook)(twin.generator, getattr(twin, judge), optimizers, **arguments)
    networks = ("generator", judge)
    before = {name: [variable.numpy() for variable in getattr(gan, name).trainable_variables] for name in networks}
    draws = Draws(monkeypatch)
    numbers = np.random.default_rng(0)
    for _ in range(2):
        images = tf.constant(numbers.uniform(-1, 1, (8, 16, 16, 1)), tf.float32)
        labels = tf.constant(np.arange(8) % max(classes, 1), tf.int32)
        draws.recorded, draws.queue = [], None
        gan.train_step((images, labels))
        draws.queue = list(draws.recorded)
        if notebook == "05_stylegan":  # makes the images of one latent twice, once for each network
            once = (len(draws.queue) - 3) // 2
            draws.queue[1:1] = draws.queue[1 : 1 + once]
        tf.function(scratch.train_step, autograph=False)((images, labels))  # as Keras compiles it
        assert not draws.queue
    for network in networks:
        trained = [getattr(each, network).trainable_variables for each in (gan, twin)]
        for expected, found in zip(*trained, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=expected.path)
        moved = [np.abs(new.numpy() - old).max() for new, old in zip(trained[0], before[network], strict=True)]
        assert max(moved) > 1e-4
