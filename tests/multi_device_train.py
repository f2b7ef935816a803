"""Small trainings for tests of several devices: python multi_device_train.py DEVICES NAME=FOLDER... trains or resumes.

DEVICES is 1, or 2 for two virtual CPUs; TF_CONFIG makes it one of several processes.
"""

import sys
from dataclasses import replace
from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled
from train_process import PROJECTED, SETTINGS, STYLED, images

from medgan_tf import datasets, training
from medgan_tf.training import distribution

SHORT = {"kimg": 0.64, "kimg_per_epoch": 0.064, "steps_per_execution": 1}
# two discriminator steps, a lazy R1 penalty, ADA, BatchNorm, labels, classes in turn
CGAN = replace(
    SETTINGS,
    **SHORT,
    architecture="cgan",
    penalty_interval=2,
    discriminator_steps=2,
    augmentation={"target": -0.9, "adjust_kimg": 0.2, "interval": 1},
    balanced=True,
    network={"base_filters": 4, "latent_dim": 8},
)
TRAININGS = {
    "cgan": CGAN,
    "cgan_part": replace(CGAN, kimg=0.448),
    # heads with BatchNorm and spectral norm, a second optimizer, translations, and the critic with its penalty
    "projected": replace(PROJECTED, **SHORT | {"kimg": 0.064}),
    # a lazy R1 penalty, path lengths, mixed latents, noise, groups of images
    "stylegan2": replace(STYLED, **{**SHORT, "kimg": 0.064, "augmentation": {}}),
    # for two processes that are to give the same bits
    "dcgan_bits": replace(SETTINGS, **{**SHORT, "kimg": 0.064}, deterministic=True),
    "cgan_bits": replace(CGAN, kimg=0.064, augmentation={}, deterministic=True),
}


def smaller(data):
    """The same images at half their size."""
    half = datasets.ImageDataset(data.name, data.manifest, data.root, data.image_size // 2)
    for name in ("train", "validation"):
        split = getattr(data, name)
        half.__dict__[name] = replace(split, pixels=split.pixels[:, ::2, ::2])
    return half


def train(name, folder):
    """Train into the folder."""
    settings, data = TRAININGS[name], images()
    if name == "stylegan2":
        data = smaller(data)
    gan = training.build(settings, data.image_size, len(data.classes) if settings.architecture == "cgan" else 0)
    training.fit(gan, settings, data, Path(folder))
    assert is_op_determinism_enabled() == settings.deterministic


def main(count, *trainings):
    """All of them on so many devices."""
    if count == "2":
        cpus = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
        two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        distribution.strategy = lambda: two
    distribution.strategy()  # on several machines before TensorFlow computes anything
    for each in trainings:
        train(*each.split("="))


if __name__ == "__main__":
    main(*sys.argv[1:])
