"""What each metric sees: the same real images, damaged on purpose, in the place of synthetic ones."""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from medgan_tf.intervals import draw_halves

from .evaluate import evaluate

STRENGTHS = {  # strength 0 is the undamaged control of all
    "blur": (0.5, 1, 2),  # standard deviation of the Gaussian, pixels
    "noise": (5, 10, 20),  # standard deviation, grey levels
    "contrast": (0.1, 0.25, 0.5),  # share of every deviation from the image's mean that is taken away
    "flip": (0.25, 0.5, 1),  # share of the images that are mirrored left to right
}


def damage(images, kind, strength, seed=0):
    """uint8 images (N, H, W, 1) after "blur", "noise", "contrast" or "flip" of a strength as in `STRENGTHS`.

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


def sensitivity(images, extractor, patients=None, strengths=STRENGTHS, repeats=10, seed=0, cache=None):
    """DataFrame of every metric under every damage: kind, strength, metric and the fields of `evaluate`'s record.

    images: real, uint8 (N, H, W, 1), with patients (N,). Half of the patients is damaged and held against the other
    half, so that no image meets its own copy. Each kind begins with strength 0, the undamaged half, which all share.
    Raises ValueError as `evaluate` does.
    """
    patients = np.arange(len(images)) if patients is None else np.asarray(patients)
    halves = draw_halves(patients, len(images), repeats=2, seed=seed)[0]
    real, other = images[halves.reference], images[halves.other]
    settings = {"real_patients": patients[halves.reference], "repeats": repeats, "seed": seed, "cache": cache}
    control = evaluate(real, other, extractor, **settings)
    rows = [_rows(kind, 0, control) for kind in strengths]
    levels = [(kind, strength) for kind, series in strengths.items() for strength in series]
    for kind, strength in tqdm(levels, "sensitivity", leave=False):
        rows.append(_rows(kind, strength, evaluate(real, damage(other, kind, strength, seed), extractor, **settings)))
    return pd.concat(rows, ignore_index=True).sort_values(["kind", "strength"], kind="stable", ignore_index=True)


def _rows(kind, strength, records):
    return pd.DataFrame(
        {"kind": kind, "strength": strength, "metric": metric} | record for metric, record in records.items()
    )
