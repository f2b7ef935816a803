"""What each metric is sensitive to: real images, damaged on purpose, take the place of synthetic ones."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from medgan_tf.datasets import read_images
from medgan_tf.intervals import draw_halves

from .evaluate import evaluate

STRENGTHS = {  # strength 0 is the undamaged control of every kind
    "blur": (0.5, 1, 2),  # standard deviation of the Gaussian, pixels
    "noise": (5, 10, 20),  # standard deviation, grey levels
    "contrast": (0.1, 0.25, 0.5),  # proportion of every deviation from the image's mean that is removed
    "flip": (0.25, 0.5, 1),  # proportion of the images that are mirrored left to right
}


def damage(images, kind, strength, seed=0):
    """uint8 images (N, H, W, C) after "blur", "noise", "contrast" or "flip" of a strength as in `STRENGTHS`.

    Raises ValueError for other kinds.
    """
    generator = np.random.default_rng(seed)
    if kind == "flip":
        chosen = generator.permutation(len(images)) < round(strength * len(images))
        return np.where(chosen[:, None, None, None], images[:, :, ::-1], images)
    pixels = images.astype(np.float32)
    if kind == "blur":
        pixels = gaussian_filter(pixels, (0, strength, strength, 0))
    elif kind == "noise":
        pixels = pixels + generator.normal(0, strength, pixels.shape)
    elif kind == "contrast":
        pixels = pixels - strength * (pixels - pixels.mean((1, 2, 3), keepdims=True))
    else:
        raise ValueError(f"there is no damage {kind!r}: choose {', '.join(STRENGTHS)}")
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def sensitivity(images, features, strengths=STRENGTHS, repeats=10, seed=0, cache=None):
    """Every metric under every kind of damage: a DataFrame of kind, strength, metric and the fields of its record.

    images: real images, an `ImageSet` or an array uint8 (N, H, W, C). features: an Extractor. The images of half of the
    patients are damaged and compared with the other half, so that no image is compared with its own copy. Each kind
    begins with strength 0, the undamaged half, which all kinds share. Raises ValueError as `evaluate` does.
    """
    real = read_images(images).without_labels()
    patients = np.arange(len(real)) if real.patients is None else real.patients
    halves = draw_halves(patients, len(real), repeats=2, seed=seed)[0]
    real, other = real.take(halves.reference), real.take(halves.other)
    settings = {"features": features, "repeats": repeats, "seed": seed, "cache": cache}
    control = evaluate(real, other, **settings)
    rows = [_rows(kind, 0, control) for kind in strengths]
    levels = [(kind, strength) for kind, series in strengths.items() for strength in series]
    for kind, strength in tqdm(levels, "sensitivity", leave=False):
        damaged = replace(other, pixels=damage(other.images, kind, strength, seed))
        rows.append(_rows(kind, strength, evaluate(real, damaged, **settings)))
    return pd.concat(rows, ignore_index=True).sort_values(["kind", "strength"], kind="stable", ignore_index=True)


def _rows(kind, strength, records):
    return pd.DataFrame(
        {"kind": kind, "strength": strength, "metric": metric} | record for metric, record in records.items()
    )
