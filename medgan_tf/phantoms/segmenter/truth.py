"""The segmenter's training data: fresh phantoms, converted like the generator's images, and their true masks."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from medgan_tf.files import sha256_of_file
from medgan_tf.phantoms.anatomy import SIDES, Acquisition, Anatomy, heart_depth, in_lung, to_patient
from medgan_tf.phantoms.cohort import write_cohort
from medgan_tf.phantoms.drawing import effusion_depth, pixel_grid

CHANNELS = ("right lung", "left lung", "heart", "nodule", "pneumonia", "effusion")  # sides are the patient's
SEGMENTER_PREVALENCE = {"normal": 0.25, "pneumonia": 0.2, "nodule": 0.4, "effusion": 0.15}  # nodules are the hardest


def fresh_images(folder, read_image, image_size, patients, seed):
    """Draw a new cohort into folder/dicom, convert it into folder/images: (images uint8 (N, S, S, 1), truth).

    read_image(path, image_size): returns one image as uint8 (S, S, 1). The truth has one row for each image.
    """
    truth = write_cohort(Path(folder) / "dicom", patients, seed, prevalence=SEGMENTER_PREVALENCE)
    return images_of(truth, folder, read_image, image_size), truth


def independent_images(folder, read_image, image_size, count, seed=2000):
    """Draw `count` phantoms of as many patients in the classes' true prevalence: (images uint8 (N, S, S, 1), truth).

    For statistical tests that assume independent images. Files of an earlier call in the folder are used again.
    """
    folder = Path(folder)
    drawn = folder / "dicom" / "truth.csv"
    truth = pd.read_csv(drawn) if drawn.exists() else ()
    if len(truth) != count:
        truth = write_cohort(folder / "dicom", count, seed, images_per_patient=(1, 1))
    return images_of(truth, folder, read_image, image_size), truth


def _convert(folder):
    """Convert folder/dicom into folder/images; drawings held back as showing text are cleared, as they name nobody."""
    from medgan_tf.dicom import convert
    from medgan_tf.dicom.journal import private_folder

    folders = folder / "dicom", folder / "images"
    if convert(*folders, image_size=256).held_back:
        path = private_folder(folder / "images") / "review.csv"
        pd.read_csv(path, dtype=str).assign(cleared="yes").to_csv(path, index=False)
        convert(*folders, image_size=256)


def images_of(truth, folder, read_image, image_size):
    """Convert folder/dicom and read the images uint8 (N, S, S, 1) of a truth's rows.

    Raises ValueError where one was not converted.
    """
    folder = Path(folder)
    _convert(folder)
    files = pd.read_csv(folder / "images" / "manifest.csv").set_index("source_sha256")["file"]
    digests = [sha256_of_file(folder / "dicom" / file) for file in truth["file"]]
    missing = set(digests) - set(files.index)
    if missing:
        raise ValueError(f"{len(missing)} phantoms were not converted; {folder / 'images.private'} says why.")
    paths = [folder / "images" / files[digest] for digest in digests]
    return np.stack([read_image(path, image_size) for path in paths])


def truth_masks(truth, image_size):
    """Masks float16 (N, S, S, 6) of `CHANNELS` for rows of a truth: the fraction of each pixel that is covered.

    A lung is all of its visible field, also under fluid. Fractions come from a finer grid, so that a nodule of one and
    a half pixels keeps its area.
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
    discs = [_discs(circles["nodule"], 8 * image_size), _discs(circles["pneumonia"], 2 * image_size)]
    masks = lungs["right"], lungs["left"], heart, *discs, fluid
    return np.stack([_covered_fractions(mask, image_size) for mask in masks], axis=-1)


def _discs(circles, size):
    """Mask of the circles of lesions: bool (size, size)."""
    mask = np.zeros((size, size), bool)
    for circle in circles:
        x, y, radius = size * circle["x"], size * circle["y"], size * circle["size"] / 2
        rows, columns = (slice(int(middle - radius), int(middle + radius) + 1) for middle in (y, x))
        row, column = np.ogrid[rows, columns]
        mask[rows, columns] |= np.hypot(column + 0.5 - x, row + 0.5 - y) < radius
    return mask


def _covered_fractions(mask, image_size):
    """Fraction of true values in each pixel, float16 (S, S), of a bool mask (k S, k S)."""
    factor = len(mask) // image_size
    return mask.reshape(image_size, factor, image_size, factor).mean((1, 3)).astype(np.float16)
