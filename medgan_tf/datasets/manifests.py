"""Manifests: which image file belongs to which class, patient and split."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf.files import atomic_write

SPLITS = ("train", "validation", "test")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}

# File names of public sets: the group of the first pattern that matches is the patient.
PATIENT_IN_FILE_NAME = [
    re.compile(r"^(person\d+)_(?:bacteria|virus)_\d+", re.IGNORECASE),  # Kermany chest X-rays, pneumonia
    re.compile(r"^(?:NORMAL2-)?(IM-\d+)-\d+", re.IGNORECASE),  # Kermany chest X-rays, normal
    re.compile(r"^(\d{8})_\d{3}$"),  # NIH ChestX-ray14: patient_follow-up
    re.compile(r"^(\d{7})[LR]$", re.IGNORECASE),  # Osteoarthritis Initiative knees: patient and side
    re.compile(r"^(patient\d+)", re.IGNORECASE),  # CheXpert and others
]


def holds_images(folder):
    """Whether a folder holds JPG or PNG images, rather than DICOM files that have to be converted first."""
    return any(is_image(path) for path in Path(folder).rglob("*"))


def is_image(path):
    """Whether a file is a JPG or PNG by its suffix; hidden files, such as macOS adds on other disks, do not count."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def prepare(folders, out_dir, seed=0):
    """Write out_dir/manifest.csv with a split for every image of these folders; return the table.

    Files below out_dir are named relative to it, others by their full path. The same seed gives the same splits.
    """
    out_dir = Path(out_dir).resolve()
    tables = []
    for folder in (Path(folder).resolve() for folder in folders):
        table = read_manifest(folder)
        if folder != out_dir:
            table["file"] = [(folder / file).as_posix() for file in table["file"]]
        tables.append(table)
    manifest = with_splits(pd.concat(tables, ignore_index=True).fillna(""), seed)
    write_manifest(manifest, out_dir)
    return manifest


def write_manifest(manifest, folder):
    """Write folder/manifest.csv, atomically, from a table with the columns file, class, patient and perhaps split."""
    atomic_write(Path(folder) / "manifest.csv", lambda path: manifest.to_csv(path, index=False))


def read_manifest(root):
    """The table of a folder of images (or of its manifest.csv): file, class, patient, split ("" if not yet assigned).

    Read from manifest.csv if there is one (with a column `patient` or `patient_group`), else from class folders. Where
    no column names the patients, they are taken from the file names of public sets, and any other image counts as its
    own patient. Raises ValueError for a path without images.
    """
    root = Path(root)
    root = root.parent if root.name == "manifest.csv" else root
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; give the folder that holds the images.")
    if (root / "manifest.csv").exists():
        table = pd.read_csv(root / "manifest.csv", dtype=str, keep_default_na=False)
        table = table.rename(columns={"patient_group": "patient"})
        missing = {"file", "class"} - set(table.columns)
        if missing:
            raise ValueError(f"{root / 'manifest.csv'} lacks the column {' and '.join(sorted(missing))}.")
    else:
        files = sorted(path for path in root.rglob("*") if is_image(path))
        names = [path.relative_to(root) for path in files]
        classes = [name.parts[0] if len(name.parts) > 1 else root.resolve().name for name in names]
        table = pd.DataFrame({"file": [name.as_posix() for name in names], "class": classes})
    if table.empty:
        raise ValueError(f"{root} holds no images; it needs class folders of JPG or PNG files, or a manifest.csv.")
    if "patient" not in table:
        table["patient"] = [patient_of(file) for file in table["file"]]
    if "split" not in table:
        table["split"] = ""
    return table


def patient_of(file):
    """The patient in a public set's file name, or the file itself if its name follows no known pattern."""
    stem = Path(file).stem
    found = next(filter(None, (rule.match(stem) for rule in PATIENT_IN_FILE_NAME)), None)
    return found.group(1).lower() if found else file


def assign_splits(manifest, fractions=(0.8, 0.1, 0.1), seed=0):
    """A copy with the column `split`: whole patients assigned so that each class has about these fractions of images.

    A patient belongs to the class of most of their images. Within each class the shuffled patients fill train,
    validation and test one after the other. A class with fewer than three patients cannot be in every split and stays
    in train. Raises ValueError if no class has three patients.
    """
    main_class = manifest.groupby("patient")["class"].agg(lambda classes: classes.mode().iloc[0])
    images = manifest["patient"].value_counts()
    split_of = {}
    generator = np.random.default_rng(seed)
    for _, patients in main_class.groupby(main_class):
        order = generator.permutation(np.sort(patients.index.to_numpy(str)))
        if len(order) < len(SPLITS):
            split_of |= dict.fromkeys(order, 0)
            continue
        counts = images[order].to_numpy()
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()  # position of each patient within the class, 0 to 1
        chosen = np.searchsorted(np.cumsum(fractions)[:-1], middle, side="right")
        chosen[0], chosen[-2:] = 0, (1, 2)  # even the smallest class is in every split
        split_of |= dict(zip(order, chosen, strict=True))
    if not any(split_of.values()):
        raise ValueError("No class has three patients, which a split by patient needs; add patients to the set.")
    return manifest.assign(split=[SPLITS[split_of[patient]] for patient in manifest["patient"]])


def summary(manifest):
    """{class: {split: {images, patients}}}, for results.json."""
    number = lambda rows: {"images": len(rows), "patients": int(rows["patient"].nunique())}  # noqa: E731
    return {
        name: {split: number(rows[rows["split"] == split]) for split in SPLITS}
        for name, rows in manifest.groupby("class")
    }


def with_splits(manifest, seed):
    """A manifest with its own splits, or with those of `assign_splits` where any image has none.

    Raises ValueError for other splits than `SPLITS` and for a patient in two.
    """
    if manifest["split"].eq("").any():
        manifest = assign_splits(manifest, seed=seed)
    unknown = set(manifest["split"]) - set(SPLITS)
    if unknown:
        raise ValueError(
            f"The splits of a manifest are {', '.join(SPLITS)}; this one also has {', '.join(sorted(unknown))!r}."
        )
    shared = manifest.groupby("patient")["split"].nunique()
    if (shared > 1).any():
        raise ValueError(f"Patient '{shared.idxmax()}' is in more than one split: the splits leak; assign them again.")
    return manifest
