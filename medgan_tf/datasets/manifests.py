"""Manifests: which image file belongs to which class, patient and split."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf.files import atomic_write_csv
from medgan_tf.sources import patient_of, places, published_labels, walk

SPLITS = ("train", "validation", "test")
NO_TEXT = "has a name that is no text in Unicode"
SHARES = (0.8, 0.1, 0.1)  # of the images, in this order
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}


def is_image(path):
    """Whether a file is a JPG or PNG by its suffix; hidden files, such as macOS adds on other disks, do not count."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def write_manifest(manifest, folder):
    """Write folder/manifest.csv, atomically, from a table with the columns file, class, patient and perhaps split."""
    atomic_write_csv(Path(folder) / "manifest.csv", list(manifest), manifest.to_dict("records"))


def read_manifest(root):
    """The table of a folder of images (or of its manifest.csv): file, class, patient, split ("" if not yet assigned).

    Read from manifest.csv if there is one (with a column `patient` or `patient_group`), else from folders, as
    `sources.places` says; masks are left out with a warning. Where nothing names the patients, they are taken from the
    file names of public sets, and any other image counts as its own patient. Raises ValueError for a path without
    images.
    """
    table, left_out = survey(root)
    pictures = [file for file in left_out if is_image(Path(root, file))]
    if pictures:
        warnings.warn(
            f"{len(pictures)} of {len(table) + len(pictures)} pictures in {root} are left out; {pictures[0]!a}"
            f" {left_out[pictures[0]]}.",
            stacklevel=2,
        )
    return table


def survey(root):
    """(the table of `read_manifest`, {file: why it is left out}); the latter is empty where there is a manifest.csv."""
    root, left_out = Path(root), {}
    root = root.parent if root.name == "manifest.csv" else root
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; give the folder that holds the images.")
    if (root / "manifest.csv").exists():
        table = _read_table(root / "manifest.csv").rename(columns={"patient_group": "patient"})
        missing = {"file", "class"} - set(table.columns)
        if missing:
            raise ValueError(f"{root / 'manifest.csv'} lacks the column {' and '.join(sorted(missing))}.")
    else:
        table, left_out = _of_folders(root)
    if table.empty:
        raise ValueError(f"{root} holds no images; it needs class folders of JPG or PNG files, or a manifest.csv.")
    unnamed = table["patient"].str.strip().eq("") if "patient" in table else pd.Series(dtype=bool)
    if len(unnamed) and unnamed.all():
        table = table.drop(columns="patient")
        warnings.warn(f"{root / 'manifest.csv'} names no patient: each image counts as its own patient.", stacklevel=2)
    elif unnamed.any():
        row = unnamed.idxmax()
        raise ValueError(
            f"{root / 'manifest.csv'} names no patient of {table['file'][row]}: fill the column, or remove it, and each"
            " image counts as its own patient."
        )
    if "patient" not in table:
        table["patient"] = [patient_of(file) for file in table["file"]]
    if "split" not in table:
        table["split"] = ""
    return table, left_out


def _read_table(path):
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:  # those of pandas and of Unicode are such
        raise ValueError(
            f"{path} cannot be read as a table ({error}): save it as CSV in UTF-8 with file, class, patient."
        ) from error


def _of_folders(root):
    """What `survey` returns of a folder without manifest.csv."""
    root = root.resolve()
    paths = {path.relative_to(root).as_posix(): path for path in walk(root)}
    pictures = [file for file, path in paths.items() if is_image(path)]
    others = set(paths) - set(pictures)
    left_out = {file: f"is no picture ({paths[file].suffix or 'without suffix'})" for file in others}
    rows = []
    for file, place in places(pictures, root.name, published_labels(root)).items():
        reason = place.left_out if _is_text(file) else NO_TEXT
        if reason:
            left_out[file] = reason
        else:
            rows.append(
                {"file": file, "class": place.class_name, "patient": place.patient or file, "split": place.split}
            )
    return pd.DataFrame(rows, columns=["file", "class", "patient", "split"]), left_out


def _is_text(name):
    """Whether a file's name can be written down: file systems allow any bytes."""
    return name.isascii() or name.encode("utf-8", "replace").decode() == name


def assign_splits(manifest, seed=0, shares=SHARES):
    """A copy with the column `split`: whole patients assigned so that each class has about these shares of images.

    A patient belongs to the class of most of their images. Within each class the shuffled patients fill train,
    validation and test one after the other. A class with fewer patients than there are splits to fill stays in train.
    """
    main_class = manifest.groupby("patient")["class"].agg(lambda classes: classes.mode().iloc[0])
    images = manifest["patient"].value_counts()
    wanted = [index for index, share in enumerate(shares) if share]
    split_of = {}
    generator = np.random.default_rng(seed)
    for _, patients in main_class.groupby(main_class):
        order = generator.permutation(np.sort(patients.index.to_numpy(str)))
        if len(order) < len(wanted):
            split_of |= dict.fromkeys(order, 0)
            continue
        counts = images[order].to_numpy()
        middle = (np.cumsum(counts) - counts / 2) / counts.sum()  # position of each patient within the class, 0 to 1
        chosen = np.searchsorted(np.cumsum(shares)[:-1], middle, side="right")
        chosen[0], chosen[-len(wanted) + 1 :] = 0, wanted[1:]  # even the smallest class is in every split
        split_of |= dict(zip(order, chosen, strict=True))
    return manifest.assign(split=[SPLITS[split_of[patient]] for patient in manifest["patient"]])


def summary(manifest):
    """{class: {split: {images, patients}}}, for results.json."""
    number = lambda rows: {"images": len(rows), "patients": int(rows["patient"].nunique())}  # noqa: E731
    return {
        name: {split: number(rows[rows["split"] == split]) for split in SPLITS}
        for name, rows in manifest.groupby("class")
    }


def with_splits(manifest, seed):
    """A manifest whose images all have a split: given ones stay, the others are those of `assign_splits`.

    An image without split follows its patient where others of that patient have one. Where the given splits have no
    validation or no test images, patients without a split, or else patients of the training images, fill them. Raises
    ValueError for other splits than `SPLITS` and for a patient in two.
    """
    unknown = set(manifest["split"]) - {*SPLITS, ""}
    if unknown:
        raise ValueError(
            f"The splits of a manifest are {', '.join(SPLITS)}; this one also has {', '.join(sorted(unknown))!r}."
        )
    given = manifest[manifest["split"].ne("")].groupby("patient")["split"]
    if (given.nunique() > 1).any():
        raise ValueError(
            f"Patient '{given.nunique().idxmax()}' is in more than one split: the splits leak; assign them again."
        )
    split_of = given.first().to_dict()
    split = manifest["patient"].map(lambda patient: split_of.get(patient, ""))
    manifest = _filled(manifest.assign(split=split), seed)
    if set(manifest["split"]) != set(SPLITS):
        patients = manifest["patient"].unique()
        if len(patients) == 1 < len(manifest):
            reason = f"All {len(manifest)} images carry one patient, as some programs that anonymise leave it"
            raise ValueError(
                f"{reason}: name the true patients in the column `patient` of the manifest.csv of a folder of pictures;"
                " `medgan_tf convert` makes one of DICOM."
            )
        raise ValueError("No class has three patients, which a split by patient needs; add patients to the set.")
    return manifest


def _filled(manifest, seed):
    """A manifest in which patients without split, or those in training where there are none, fill the empty splits."""
    empty = [split for split in SPLITS[1:] if not manifest["split"].eq(split).any()]
    free = manifest["split"].eq("")
    if empty and not free.any():
        free = manifest["split"].eq("train")
    if not free.any():
        return manifest
    shares = [0 if empty and split not in ("train", *empty) else SHARES[SPLITS.index(split)] for split in SPLITS]
    filled = assign_splits(manifest[free], seed, np.divide(shares, sum(shares)))
    return manifest.assign(split=manifest["split"].mask(free, filled["split"]))
