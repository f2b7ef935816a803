"""Converts one DICOM file: pixels to square images of one size, identifiers to pseudonyms.

`convert` calls this in child processes, one file a call; everything it needs is in its arguments.
"""

import contextlib
import hashlib
import logging
import os
import stat
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from . import burned_in, greyscale, reading
from .batch import CannotWrite, writing
from .finding import read_labels
from .pseudonyms import DEIDENTIFIED_BY, pseudonym

# PS3.3 C.7.3.1.1.1, images only
MODALITIES = set(
    [
        "AR",
        "AS",
        "BDUS",
        "BI",
        "BMD",
        "CD",
        "CF",
        "CP",
        "CR",
        "CS",
        "CT",
        "DD",
        "DF",
        "DG",
        "DM",
        "DS",
        "DX",
        "EC",
        "EOG",
        "ES",
        "FA",
        "FS",
        "GM",
        "IO",
        "IVOCT",
        "IVUS",
        "KER",
        "LEN",
        "LP",
        "LS",
        "MA",
        "MG",
        "MR",
        "MS",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT",
        "PT",
        "PX",
        "RF",
        "RG",
        "RTDOSE",
        "RTIMAGE",
        "SC",
        "SEG",
        "SM",
        "SRF",
        "ST",
        "TG",
        "US",
        "VA",
        "VF",
        "XA",
        "XC",
    ]
)
SUFFIXES = {"jpg": ".jpg", "png": ".png", "png16": ".png"}


@dataclass(frozen=True)
class Settings:
    """What the images of one output folder have in common."""

    out_dir: Path
    key: bytes
    image_size: int = 256
    format: str = "jpg"
    window: object = "auto"
    crop: bool = False
    patient_labels: Path | None = None
    cleared: frozenset = frozenset()  # sha256 of the files whose pixels a person has found free of identifying text


def convert_file(path, class_name, window, settings):
    """Convert one file and return its record, a dict that JSON can hold.

    `window` is "auto" or a pair (low-level Window arguments) that the file's series agreed on;
    `class_name` is None where the patient decides. Keys of the record: `sha256`; `rows` (the manifest's
    rows, one an image written); `rejected` (one reason for the file, or one for each frame left out);
    `quantiles` (of the grey values, only where the window was automatic); `references` (the files a
    DICOMDIR lists); `review` (why the image may show text: it is then written only where a person has cleared it),
    `text` (what was read in it) and `cleared`. Raises CannotWrite.
    """
    warnings.simplefilter("ignore")
    logging.disable()
    record = {"sha256": "", "rows": [], "rejected": []}
    try:
        data = read(path)
        record["sha256"] = hashlib.sha256(data).hexdigest()
        dataset = reading.parse(data)
        if "DirectoryRecordSequence" in dataset:
            return record | {"references": references(path, dataset)}
        class_name = _class_of_patient(dataset, settings) if class_name is None else class_name
        if not class_name:
            raise reading.DicomError("has no class in the labels")
        return record | _convert_frames(dataset, record["sha256"], class_name, window, settings)
    except CannotWrite:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        return record | {"rejected": [reading.reason(error)]}


def read(path):
    """The bytes of a regular file; of one that is clearly not DICOM, only the first."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise reading.DicomError("is not a regular file")
        with Path(path).open("rb") as file:
            start = file.read(132)
            return start + file.read() if reading.looks_like_dicom(start) else start
    except OSError as error:
        raise reading.DicomError(f"cannot be read ({error.strerror})") from error


def _convert_frames(dataset, sha256, class_name, window, settings):
    """Write one image a frame; all or, where a later frame turns out broken, none."""
    frames, extra = reading.stored_frames(dataset), {}
    view = settings.window
    if view == "auto" and greyscale.needs_automatic_window(dataset):
        frames = list(frames)
        quantiles = greyscale.grey_quantiles(dataset, frames)
        extra = {"quantiles": [float(f"{value:.9g}") for value in quantiles]}
        view = greyscale.Window(*window) if window else greyscale.automatic_window([extra["quantiles"]])
    names = keys(dataset, sha256, settings.key)
    rows, blank, written = [], defaultdict(list), []
    extremes = burned_in.Extremes(reading.frame_count(dataset))
    folder = settings.out_dir / "images" / class_name
    with writing():
        folder.mkdir(parents=True, exist_ok=True)
    try:
        for index, stored in enumerate(frames):
            if stored.min() == stored.max():
                blank["all pixels have one value"].append(index + 1)
                continue
            image, window_name = greyscale.show(dataset, index, stored, view)
            if image.min() == image.max():
                blank[f"the window {window_name} shows one grey level only"].append(index + 1)
                continue
            extremes.add(index, image)
            name = f"{names['patient'][:8]}-{names['series'][:8]}-{names['instance']}-{index + 1:04d}"
            file = folder / (name + SUFFIXES[settings.format])
            image = fit(image, greyscale.pixel_aspect(dataset, index), settings.image_size, settings.crop)
            with writing():
                _save(image, file, settings.format)
            written.append(file)
            rows.append(
                {
                    "file": file.relative_to(settings.out_dir).as_posix(),
                    "class": class_name,
                    "patient": names["patient"],
                    "study": names["study"],
                    "series": names["series"],
                    "modality": modality(dataset),
                    "width": stored.shape[1],
                    "height": stored.shape[0],
                    "window": window_name,
                    "source_sha256": sha256,
                    "split": "",
                }
            )
        held = hold_back(dataset, extremes, sha256, settings)
        if held and not held["cleared"]:
            _remove(written)
            rows = []
    except BaseException:
        _remove(written)
        raise
    rejected = [_blank_frames(reason, frames, index + 1) for reason, frames in blank.items()]
    return extra | held | {"rows": rows, "rejected": rejected, "series": names["series"]}


def _remove(files):
    for file in files:
        file.unlink(missing_ok=True)


def hold_back(dataset, pictures, sha256, settings):
    """What a record says of an image that may show text: `review`, `text` and whether it is cleared; {} of others."""
    reasons, text = burned_in.suspicions(dataset, pictures)
    return {"review": reasons, "text": text, "cleared": sha256 in settings.cleared} if reasons else {}


def modality(dataset):
    """The modality where the standard has such a one: whatever else a header says there does not leave."""
    stated = str(dataset.get("Modality") or "").strip()
    return stated if stated in MODALITIES else ""


def _blank_frames(reason, frames, count):
    """Say which frames a reason holds for, in one sentence."""
    if count == 1:
        return reason
    if len(frames) == count:
        return f"in every frame {reason}"
    return f"in frame{'s' if len(frames) > 1 else ''} {', '.join(map(str, frames))} of {count} {reason}"


def fit(image, aspect, size, crop):
    """Fit float32 (H, W) in [0, 1] into (size, size): the whole of it on black, or its centre filling all."""
    height, width = image.shape
    tall = height * aspect  # in units of a pixel's width
    scale = size / (min if crop else max)(tall, width)
    target = [max(1, min(size, round(length * scale))) for length in (width, tall)]
    across, down = (min(1, size / (length * scale)) for length in (width, tall))  # part shown when cropping
    left, top = width * (1 - across) / 2, height * (1 - down) / 2
    resized = Image.fromarray(image).resize(
        target,
        Image.Resampling.LANCZOS,
        box=(left, top, width - left, height - top),
        reducing_gap=3.0,  # averages blocks first, which a large radiograph gains much time by
    )
    canvas = np.zeros((size, size), np.float32)
    left, top = (size - target[0]) // 2, (size - target[1]) // 2
    canvas[top : top + target[1], left : left + target[0]] = np.clip(resized, 0, 1)
    return canvas


def _save(image, path, format):
    """Write float32 [0, 1] as 8-bit JPEG or PNG, or 16-bit PNG; the file appears whole or not at all."""
    levels, dtype = (65535, np.uint16) if format == "png16" else (255, np.uint8)
    picture = Image.fromarray(np.rint(image * levels).astype(dtype))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        picture.save(partial, "JPEG" if format == "jpg" else "PNG", quality=95)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def keys(dataset, sha256, key):
    """Pseudonyms of patient, study, series and instance; where an identifier is missing the next stands in.

    So files of unknown patients are kept apart rather than taken for one patient. The patient of a file that was
    de-identified here stays what it is.
    """
    instance, series, study, patient = (
        str(dataset.get(keyword) or "").strip()
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID")
    )
    series = series or sha256
    study = study or series
    return {
        "patient": patient if _is_pseudonymous(dataset) else pseudonym(key, "patient", patient or study),
        "study": pseudonym(key, "study", study),
        "series": pseudonym(key, "series", series),
        # Two different files may carry one SOP Instance UID; their bytes tell them apart.
        "instance": pseudonym(key, "instance", f"{instance}:{sha256}"),
    }


def _is_pseudonymous(dataset):
    method = dataset.get("DeidentificationMethod") or [""]
    return dataset.get("PatientIdentityRemoved") == "YES" and method[0] == DEIDENTIFIED_BY


def _class_of_patient(dataset, settings):
    classes = read_labels(settings.patient_labels)[1]
    patient = str(dataset.get("PatientID") or "").strip()
    return classes.get(patient, "")


def references(path, dataset):
    """The files that a DICOMDIR lists (PS3.10 section 8), as paths."""
    folder, found = Path(path).parent, []
    for entry in dataset.DirectoryRecordSequence:
        parts = entry.get("ReferencedFileID")
        if parts:
            parts = [parts] if isinstance(parts, str) else list(parts)
            file = folder.joinpath(*parts)
            lower = folder.joinpath(*(part.lower() for part in parts))  # as some systems show a CD
            found.append(str(lower if lower.exists() and not file.exists() else file))
    return found
