"""What the reader learns from: fresh phantoms on the path that the training images took, and their true masks."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from medgan_tf.phantoms.anatomy import SIDES, Acquisition, Anatomy, effusion_depth, heart_depth, in_lung, to_patient
from medgan_tf.phantoms.cohort import PREVALENCE, write_cohort
from medgan_tf.phantoms.picture import pixel_grid

CHANNELS = ("right lung", "left lung", "heart", "nodule", "pneumonia", "effusion")  # sides are the patient's
READER_PREVALENCE = {"normal": 0.25, "pneumonia": 0.2, "nodule": 0.4, "effusion": 0.15}  # nodules are the hardest


def fresh_images(folder, read_image, image_size, patients, seed):
    """A new cohort as images uint8 (N, S, S, 1) and its truth, row by row: folder/dicom -> folder/images -> pixels.

    `read_image(path, image_size)` gives one image as uint8 (S, S, 1).
    """
    folder = Path(folder)
    truth = write_cohort(folder / "dicom", patients, seed, prevalence=READER_PREVALENCE)
    _convert(folder)
    return images_of(truth, folder, read_image, image_size), truth


def independent_images(folder, read_image, image_size, count, seed=2000):
    """`count` phantoms of as many patients, in the classes' true prevalence: images uint8 (N, S, S, 1) and their truth.

    For tests that take images for independent. What lies in the folder from an earlier call is used again.
    """
    folder = Path(folder)
    drawn = folder / "dicom" / "truth.csv"
    truth = pd.read_csv(drawn) if drawn.exists() else None
    if truth is None or len(truth) != count:
        truth = write_cohort(folder / "dicom", count, seed, images_per_patient=(1, 1), prevalence=PREVALENCE)
    _convert(folder)
    return images_of(truth, folder, read_image, image_size), truth


def _convert(folder):
    """folder/dicom -> folder/images. What seems to be text in a drawing is nobody's name and needs no look to clear."""
    from medgan_tf.dicom import convert
    from medgan_tf.dicom.journal import private

    def work():
        return convert(folder / "dicom", folder / "images", image_size=256)

    if work().held_back:
        path = private(folder / "images") / "review.csv"
        pd.read_csv(path, dtype=str).assign(cleared="yes").to_csv(path, index=False)
        work()


def images_of(truth, folder, read_image, image_size):
    """The converted images of a truth's rows: uint8 (N, S, S, 1). Raises ValueError where one was not converted."""
    folder = Path(folder)
    files = pd.read_csv(folder / "images" / "manifest.csv").set_index("source_sha256")["file"]
    digests = [hashlib.sha256((folder / "dicom" / file).read_bytes()).hexdigest() for file in truth["file"]]
    missing = set(digests) - set(files.index)
    if missing:
        raise ValueError(f"{len(missing)} phantoms were not converted; {folder / 'images.private'} says why.")
    paths = [folder / "images" / files[digest] for digest in digests]
    return np.stack([read_image(path, image_size) for path in paths])


def truth_masks(truth, image_size):
    """Rows of a truth -> float16 (N, S, S, 6) in `CHANNELS`: the share of each pixel that a structure covers.

    A lung is all of its visible field, under fluid too. Shares come from a finer grid, so that a nodule of a pixel and
    a half still has its area.
    """
    rows = truth.to_dict("records")
    return np.stack(Parallel(n_jobs=-1, prefer="threads")(delayed(_masks)(row, image_size) for row in rows))


def _masks(row, image_size):
    anatomy, acquisition = (kind(**{f.name: row[f.name] for f in fields(kind)}) for kind in (Anatomy, Acquisition))
    breath, (x, y) = acquisition.breath, to_patient(acquisition, *pixel_grid(2 * image_size))
    lungs = {name: in_lung(anatomy, breath, x, y, side) for name, side in SIDES.items()}
    fluid, circles = np.zeros_like(lungs["left"]), {"nodule": [], "pneumonia": []}
    for lesion in json.loads(row["lesions"]):
        if lesion["kind"] == "effusion":
            depth = effusion_depth(anatomy, breath, x, y, SIDES[lesion["side"]], lesion["size"])
            fluid |= lungs[lesion["side"]] & (depth > 0)
        else:
            circles[lesion["kind"]].append(lesion)
    heart = heart_depth(anatomy, breath, x, y) > 0
    discs = [_discs(circles[kind], 8 * image_size if kind == "nodule" else 2 * image_size) for kind in circles]
    return np.stack([_shares(m, image_size) for m in (lungs["right"], lungs["left"], heart, *discs, fluid)], axis=-1)


def _discs(circles, size):
    """Where any of these lesions' circles lies: bool (size, size), or (1, 1) where there is none."""
    mask = np.zeros((size, size) if circles else (1, 1), bool)
    for circle in circles:
        x, y, radius = (size * circle[name] for name in ("x", "y", "size"))
        radius /= 2
        left, top = int(x - radius), int(y - radius)
        rows, columns = slice(top, int(y + radius) + 1), slice(left, int(x + radius) + 1)
        row, column = np.ogrid[rows, columns]
        mask[rows, columns] |= np.hypot(column + 0.5 - x, row + 0.5 - y) < radius
    return mask


def _shares(mask, image_size):
    """Bool (k S, k S) -> float16 (S, S), the share of true; one value fills all."""
    if len(mask) < image_size:
        return np.full((image_size, image_size), mask.all(), np.float16)
    factor = len(mask) // image_size
    return mask.reshape(image_size, factor, image_size, factor).mean((1, 3)).astype(np.float16)
