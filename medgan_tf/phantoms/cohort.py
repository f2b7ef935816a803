"""Cohorts of chest-like phantoms: random patients whose truth is known exactly, as DICOM files.

A test bed for generative models like those of Kelkar et al. (IEEE TMI 2023, arXiv 2204.12007) and Deshpande et al.
(arXiv 2111.12577). The drawings are for testing software, not for learning medicine.
"""

import json
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from medgan_tf.files import atomic_write

from . import dicom_files
from .anatomy import SIDES, in_lung, sample_acquisition, sample_anatomy, to_image, to_patient
from .drawing import Lesion, draw, effusion_depth, pixel_grid

DIAMETERS = {"nodule": (0.02, 0.075), "pneumonia": (0.11, 0.2)}  # smallest and largest, as fractions of the image side
MAX_SPOTS = 3  # nodules or patches of pneumonia in one image
PREVALENCE = {"normal": 0.4, "pneumonia": 0.3, "nodule": 0.2, "effusion": 0.1}


def sample_lesions(kind, anatomy, acquisition, rng):
    """Draw the lesions of one image of class `kind`, a list of `Lesion`; rng: numpy Generator."""
    if kind == "normal":
        return []
    if kind == "effusion":
        sides = [["right"], ["left"], ["right", "left"]][rng.choice(3, p=[0.4, 0.35, 0.25])]
        return [_sample_effusion(anatomy, acquisition, side, rng) for side in sides]
    lesions = []
    for _ in range(rng.integers(1, MAX_SPOTS, endpoint=True)):
        lesions.append(_sample_spot(kind, anatomy, acquisition, lesions, rng))
    return lesions


def _sample_spot(kind, anatomy, acquisition, others, rng):
    """Draw a nodule or a patch of pneumonia whose circle lies inside a lung and apart from the `others`."""
    smallest, largest = DIAMETERS[kind]
    contrast = rng.uniform(*{"nodule": (0.35, 0.9), "pneumonia": (0.3, 0.8)}[kind])
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    while True:
        side = str(rng.choice(list(SIDES)))
        size, x, y = rng.uniform(smallest, largest), rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.85)
        ring = to_patient(acquisition, x + np.cos(angle) * size / 2, y + np.sin(angle) * size / 2)
        apart = all(np.hypot(x - o.x, y - o.y) > 0.55 * (size + o.size) for o in others)
        if apart and in_lung(anatomy, acquisition.breath, *ring, SIDES[side], margin=0.004).all():
            return Lesion(kind, side, float(x), float(y), float(size), float(contrast))


def _sample_effusion(anatomy, acquisition, side, rng):
    """Draw the effusion of one side; its centre is that of the lung's area below the fluid's surface."""
    height = rng.uniform(0.13, 0.36)
    contrast = rng.uniform(0.7, 1.0)
    x, y = to_patient(acquisition, *pixel_grid(128))
    place = anatomy, acquisition.breath, x, y, SIDES[side]
    fluid = in_lung(*place) & (effusion_depth(*place, height) > 0)
    centre_x, centre_y = to_image(acquisition, x[fluid].mean(), y[fluid].mean())
    return Lesion("effusion", side, float(centre_x), float(centre_y), float(height), float(contrast))


def write_cohort(
    out_dir, patients, seed=0, image_size=256, images_per_patient=(1, 4), prevalence=PREVALENCE, workers=-1
):
    """Write a cohort as out_dir/<class>/<patient>/<image>.dcm and its truth as out_dir/truth.csv.

    Patient i is the same for any number of patients and of `workers` (processes of joblib; -1: one a core).
    images_per_patient: smallest and largest number. prevalence: {class: probability that a patient has it}. An earlier
    cohort in `out_dir` is removed. Returns the truth: a DataFrame with one row for each image and the columns file
    (relative to out_dir), patient, class, image, the fields of `Anatomy` and `Acquisition`, lesion_count and lesions
    (JSON list of `Lesion`). Raises ValueError for an invalid argument.

    >>> truth = write_cohort("phantoms", patients=100)
    """
    check_arguments(patients, image_size, images_per_patient, prevalence)
    out_dir = Path(out_dir)
    (out_dir / "truth.csv").unlink(missing_ok=True)  # written last: marks a complete cohort
    for kind in PREVALENCE:
        for earlier in out_dir.glob(f"{kind}/patient_*/*image_*.dcm"):  # also unfinished ones
            earlier.unlink()
    settings = (out_dir, seed, image_size, images_per_patient, prevalence)
    streams = np.random.SeedSequence(seed).spawn(patients)
    jobs = (delayed(write_patient)(number, stream, *settings) for number, stream in enumerate(streams))
    parallel = Parallel(n_jobs=workers, return_as="generator")
    rows = [row for rows in tqdm(parallel(jobs), "phantoms", patients, unit="patient") for row in rows]
    truth = pd.DataFrame(rows)
    atomic_write(out_dir / "truth.csv", lambda temporary: truth.to_csv(temporary, index=False))
    return truth


def check_arguments(patients, image_size, images_per_patient, prevalence):
    """Raise ValueError, with the remedy, for arguments of `write_cohort` that no cohort can have."""
    if patients < 1:
        raise ValueError(f"A cohort needs at least 1 patient, not {patients}.")
    if image_size < 64:
        raise ValueError(f"image_size must be at least 64 pixels for the lesions to be seen, not {image_size}.")
    least, most = images_per_patient
    if not 1 <= least <= most:
        raise ValueError(f"images_per_patient must be (least, most) with 1 <= least <= most, not {images_per_patient}.")
    unknown = sorted(set(prevalence) - set(PREVALENCE))
    if unknown:
        raise ValueError(f"prevalence names unknown class {unknown[0]!r}; known are {', '.join(PREVALENCE)}.")
    if min(prevalence.values(), default=0) < 0 or not np.isclose(sum(prevalence.values()), 1):
        raise ValueError(f"prevalence must be probabilities that sum to 1, not {prevalence}.")


def write_patient(number, stream, out_dir, seed, image_size, images_per_patient, prevalence):
    """Write all images of patient `number` from its SeedSequence `stream`; return the rows of their truth."""
    rng = np.random.default_rng(stream)
    kind = str(rng.choice(list(prevalence), p=list(prevalence.values())))
    anatomy, scanner = sample_anatomy(rng), dicom_files.sample_scanner(rng)
    name = f"patient_{number:05d}"
    folder = out_dir / kind / name
    folder.mkdir(parents=True, exist_ok=True)
    day = date(2015, 1, 1) + timedelta(int(rng.integers(0, 3000)))
    birth = day - timedelta(int(anatomy.age * 365.25 + rng.integers(0, 365)))
    patient = {"PatientID": f"PHANTOM-{number:05d}", "PatientName": f"Phantom^{number:05d}"}
    patient |= {"PatientSex": anatomy.sex, "PatientBirthDate": f"{birth:%Y%m%d}"}
    rows, entropy = [], (str(seed), str(image_size), kind, name)
    for image in range(1, int(rng.integers(*images_per_patient, endpoint=True)) + 1):
        acquisition = sample_acquisition(rng)
        lesions = sample_lesions(kind, anatomy, acquisition, rng)
        picture = draw(anatomy, acquisition, lesions, image_size, rng)
        study = f"{day:%Y%m%d}", f"{rng.integers(8, 18):02d}{rng.integers(60):02d}00", image
        path = folder / f"image_{image:02d}.dcm"
        dataset = dicom_files.make_dataset(picture, patient, study, entropy, scanner)
        atomic_write(path, partial(dataset.save_as, enforce_file_format=True))
        rows.append(
            {"file": path.relative_to(out_dir).as_posix(), "patient": name, "class": kind, "image": image}
            | asdict(anatomy)
            | asdict(acquisition)
            | {"lesion_count": len(lesions), "lesions": json.dumps([asdict(lesion) for lesion in lesions])}
        )
        day += timedelta(int(rng.integers(7, 200)))
    return rows
