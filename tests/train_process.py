"""A small training in a process of its own, for the tests that kill it: python train_process.py FOLDER NAME."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf import config, datasets, training


def blobs(seed, count=96):
    """Images of soft blobs of a third as many patients in two classes."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    centres = generator.uniform(4, 12, (count, 2))
    pictures = [np.exp(-((y - a) ** 2 + (x - b) ** 2) / 20) * 255 for a, b in centres]
    pixels = np.stack(pictures).astype(np.uint8)[..., None]
    labels = (centres[:, 0] > 8).astype(np.int32)
    names = np.array([f"p{i % (count // 3)}" for i in range(count)])
    return datasets.ImageSet(pixels, labels, names, names)


def images():
    """A set that lives in memory."""
    data = datasets.ImageDataset("blobs", pd.DataFrame({"class": ["low", "high"]}), Path(), 16)
    data.__dict__.update(train=blobs(0), validation=blobs(1, 48))
    return data


SETTINGS = replace(
    config.PROFILES["quick"].models["dcgan"],
    kimg=1.2,
    kimg_per_epoch=0.2,
    batch_size=8,
    steps_per_execution=5,
    penalty_interval=3,
    network={"base_filters": 4, "discriminator_norm": "none", "latent_dim": 8},
)


# every part of a StyleGAN2's training that a checkpoint could forget
STYLED = replace(
    SETTINGS,
    architecture="stylegan2",
    kimg=0.48,
    kimg_per_epoch=0.08,
    steps_per_execution=2,
    path_length_weight=2.0,
    path_length_interval=2,
    augmentation={"target": 0.6, "adjust_kimg": 0.1, "interval": 1},
    network={"channel_base": 64, "channel_max": 8, "latent_dim": 8, "mapping_layers": 2},
)
# random features need no package
PROJECTED = replace(
    SETTINGS,
    architecture="cgan",
    kimg=0.224,
    kimg_per_epoch=0.032,
    steps_per_execution=2,
    discriminator_steps=2,
    loss="wasserstein",
    penalty="wgan_gp",
    penalty_interval=1,
    projected={"features": "random", "feature_size": 32, "filters": 4},
    critic_weight=0.3,
    network={"base_filters": 4, "latent_dim": 8},
)
TRAININGS = {"dcgan": SETTINGS, "stylegan2": STYLED, "projected": PROJECTED}


def main(folder, name="dcgan"):
    """Train, or go on; returns the GAN."""
    settings = TRAININGS[name]
    gan = training.build(settings, 16)
    training.fit(gan, settings, images(), folder)
    return gan


if __name__ == "__main__":
    main(*sys.argv[1:])
