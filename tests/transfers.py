"""Folders of drawn phantoms and small conditional trainings, for the tests of trainings that begin with a model."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from PIL import Image
from train_process import SETTINGS

from medgan_tf import datasets, phantoms, training

KINDS = ("normal", "pneumonia")
CONDITIONAL = replace(
    SETTINGS,
    architecture="cgan",
    kimg=0.032,
    kimg_per_epoch=0.016,
    steps_per_execution=1,
    penalty="none",
    network={"base_filters": 8, "latent_dim": 6, "residual": True},
)


@cache
def phantom(number, kind="normal"):
    """A PIL image, 64 px, of patient `number`."""
    rng = np.random.default_rng((number, KINDS.index(kind)))
    anatomy, acquisition = phantoms.sample_anatomy(rng), phantoms.sample_acquisition(rng)
    lesions = phantoms.sample_lesions(kind, anatomy, acquisition, rng)
    pixels = phantoms.draw(anatomy, acquisition, lesions, 64, rng)
    return Image.fromarray(np.rint(255 * pixels).astype(np.uint8))


def as_jpg(image, size, quality=75):
    """The PIL image of this size, saved as JPG and read again."""
    memory = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(memory, "JPEG", quality=quality)
    return Image.open(memory)


def write_set(folder, patients, classes=KINDS, held_out=()):
    """Images of these patients (numbers), who take the classes in turn; every fourth is held out.

    held_out: further PIL images that are held out, of patients of their own.
    """
    rows = []
    folder.mkdir(parents=True)
    for place, number in enumerate(patients):
        split = "train" if place % 4 < 3 else ("validation", "test")[place // 4 % 2]
        rows.append({"file": f"{number}.png", "class": classes[place % 2], "patient": f"p{number}", "split": split})
        phantom(number, KINDS[place % 2]).save(folder / f"{number}.png")
    for number, image in enumerate(held_out):
        rows.append({"file": f"found{number}.png", "class": classes[0], "patient": f"f{number}", "split": "test"})
        image.save(folder / f"found{number}.png")
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


def train(settings, data, folder):
    """Train, or go on; returns the GAN and the section of results.json."""
    gan = training.build(settings, data.image_size, len(data.classes) if settings.architecture == "cgan" else 0)
    return gan, training.fit(gan, settings, data, folder)


def load(folder, size=16):
    """The data of a folder of `write_set`."""
    return datasets.load(folder, size)
