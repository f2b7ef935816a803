"""A small training in a process of its own, for the tests that kill it: python train_process.py FOLDER EPOCHS."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf import config, datasets, fitting


def blobs(seed, count=96):
    """Images of soft blobs of a third as many patients in two classes."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16]
    centres = generator.uniform(4, 12, (count, 2))
    pictures = [np.exp(-((y - a) ** 2 + (x - b) ** 2) / 20) * 255 for a, b in centres]
    pixels = np.stack(pictures).astype(np.uint8)[..., None]
    labels = (centres[:, 0] > 8).astype(np.int32)
    names = np.array([f"p{i % (count // 3)}" for i in range(count)])
    return datasets.Split(pixels, labels, names, names)


def images():
    """A set that lives in memory."""
    data = datasets.Images("blobs", pd.DataFrame({"class": ["low", "high"]}), Path(), 16)
    data.__dict__.update(train=blobs(0), validation=blobs(1, 48))
    return data


SETTINGS = replace(
    config.PROFILES["quick"].models["dcgan"],
    kimg=1.2,
    epoch_kimg=0.2,
    batch_size=8,
    steps_per_execution=5,
    penalty_interval=3,
    network={"base_filters": 4, "discriminator_norm": "none", "latent_dim": 8},
)


def main(folder, kimg=SETTINGS.kimg):
    """Train to `kimg`, or go on."""
    settings = replace(SETTINGS, kimg=float(kimg))
    gan = fitting.build(settings, 16)
    fitting.fit(gan, settings, images(), folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
