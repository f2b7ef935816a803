"""Find the files to convert, and the class and split of each: from folders, or from a table of labels."""

import contextlib
import re
import warnings
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from pydicom import dcmread

from medgan_tf.dicom.journal import private_folder
from medgan_tf.dicom.parsing import DicomError, looks_like_dicom
from medgan_tf.sources import places, published_labels, read_labels, safe_classes, walk

# SOP Classes (PS3.4 B.5) whose pixels are no picture of a patient
OTHER_KINDS = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "a segmentation",  # label map
    "1.2.840.10008.5.1.4.1.1.66.5": "a segmentation",  # of surfaces
    "1.2.840.10008.5.1.4.1.1.66.6": "a tractography",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose of radiotherapy",
}
IDENTITY = ("PatientID", "PatientName", "SOPClassUID", "ImageType", "Modality")
SAMPLED = 3  # files of each class whose header is read, to find out whether its folder is named after a patient


def find_files(sources, out_dir, labels=None):
    """Return {absolute path: sources.Place} of all files in `sources` (folders or files), in their order, then by path.

    labels: a table (see `sources.read_labels`), "none" for one class, or None for classes by folders. The class_name is
    None where the patient decides, and "" where the labels leave the file out. Files below `out_dir` are ignored.
    Raises FileNotFoundError or ValueError where there is nothing to find, or where folders are named after patients.
    """
    sources = [Path(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    subject, classes = (labels, {}) if labels in (None, "none") else read_labels(Path(labels))
    files = {}
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(f"{source} does not exist: give a folder of DICOM files, or one file.")
        root = source.resolve() if source.is_dir() else source.resolve().parent
        paths = {path.relative_to(root).as_posix(): path for path in walk(source, [out_dir, private_folder(out_dir)])}
        for relative, place in places(paths, root.name, None if subject else published_labels(root)).items():
            if subject:
                by_label = {"patient": None, "file": classes.get(relative, ""), "none": root.name}[subject]
                place = replace(place, class_name=by_label)
            files.setdefault(str(paths[relative]), place)
    if not files:
        raise ValueError(f"There are no files in {', '.join(map(str, sources))}.")
    if not subject:
        _refuse_names_of_patients(files)
    safe = safe_classes(place.class_name for place in files.values() if place.class_name and not place.left_out)
    return {
        path: replace(place, class_name=safe.get(place.class_name, place.class_name)) for path, place in files.items()
    }


def _refuse_names_of_patients(files):
    """Raise ValueError where a class would be a patient: their names would leave in the names of folders."""
    by_class = {}
    for path, place in files.items():
        if not place.left_out:
            by_class.setdefault(place.class_name, []).append(path)
    for class_name, paths in by_class.items():
        for header in islice(filter(None, map(identity, paths)), SAMPLED):
            if _names_patient(class_name, header):
                raise ValueError(
                    f"A folder of {paths[0]} is named after a patient, and folders become classes: give the classes in"
                    " a table (medgan_tf convert --labels), or --labels none for one class."
                )


def identity(path):
    """The header of a DICOM file as far as it says whose image of which kind it is, or None."""
    if not _is_dicom(path):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            return dcmread(path, force=True, stop_before_pixels=True, specific_tags=list(IDENTITY))
    except Exception:  # malformed files are rejected, with the reason, when they are converted
        return None


def other_kind(header):
    """What a DICOM file is that is no image to train with, such as "a segmentation"; "" for images."""
    if "LOCALIZER" in np.atleast_1d(header.get("ImageType") or []) and header.get("Modality") in ("CT", "MR", "PT"):
        return "a localizer, which shows where the slices of another series lie"
    return OTHER_KINDS.get(header.get("SOPClassUID"), "")


def _names_patient(class_name, header):
    """Whether a class is the Patient ID, or holds it or a part of the name of the patient."""
    held, number = _letters(class_name), _letters(header.get("PatientID"))
    parts = map(_letters, re.split(r"[\^= ]+", str(header.get("PatientName") or "")))
    return held == number or any(len(part) > 3 and part in held for part in (number, *parts))


def _letters(text):
    return re.sub(r"[\W_]+", "", str(text or "")).casefold()


def holds_dicom(folder):
    """Whether a folder holds DICOM files, which are converted first; pictures beside them are no images of the set."""
    return any(_is_dicom(path) for path in walk(folder))


def _is_dicom(path):
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        return looks_like_dicom(file.read(132))
    return False


def files_of_dicomdir(path, dataset):
    """Return the files that a DICOMDIR lists (PS3.10 section 8), as paths below its folder. Raises DicomError."""
    folder, found = Path(path).parent, []
    for entry in dataset.DirectoryRecordSequence:
        parts = entry.get("ReferencedFileID")
        if parts:
            parts = [parts] if isinstance(parts, str) else list(parts)
            if ".." in parts or "/" in "".join(parts):
                raise DicomError("lists files outside its folder")
            file = folder.joinpath(*parts)
            lower = folder.joinpath(*(part.lower() for part in parts))  # as some systems show a CD
            found.append(str(lower if lower.exists() and not file.exists() else file))
    return found
