"""Converts one DICOM file: pixels to square images of one size, identifiers to pseudonyms.

`convert` calls this in child processes, one file a call; everything it needs is in its arguments.
"""

import hashlib
import logging
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from medgan_tf.dicom import batch, burned_in, greyscale, identity, pictures, reading

from .batch import CannotWrite, writing
from .finding import read_labels


@dataclass(frozen=True)
class Settings:
    """What the images of one output folder have in common."""

    out_dir: Path
    key: bytes
    image_size: int | tuple[int, int] = 256
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
        data = reading.read(path)
        record["sha256"] = hashlib.sha256(data).hexdigest()
        dataset = reading.parse(data)
        if "DirectoryRecordSequence" in dataset:
            return record | {"references": identity.references(path, dataset)}
        class_name = _class_of_patient(dataset, settings) if class_name is None else class_name
        if not class_name:
            raise reading.DicomError("has no class in the labels")
        return record | _convert_frames(dataset, record["sha256"], class_name, window, settings)
    except CannotWrite:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        return record | {"rejected": [reading.reason(error)]}


def _convert_frames(dataset, sha256, class_name, window, settings):
    """Write one image a frame; all or, where a later frame turns out broken, none."""
    frames, extra = reading.stored_frames(dataset), {}
    view = settings.window
    if view == "auto" and greyscale.needs_automatic_window(dataset):
        frames = list(frames)
        quantiles = greyscale.grey_quantiles(dataset, frames)
        extra = {"quantiles": [float(f"{value:.9g}") for value in quantiles]}
        view = greyscale.Window(*window) if window else greyscale.automatic_window([extra["quantiles"]])
    names = identity.keys(dataset, sha256, settings.key)
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
            file = folder / (name + pictures.SUFFIXES[settings.format])
            image = pictures.fit(image, greyscale.pixel_aspect(dataset, index), settings.image_size, settings.crop)
            with writing():
                pictures.save(image, file, settings.format)
            written.append(file)
            rows.append(
                {
                    "file": file.relative_to(settings.out_dir).as_posix(),
                    "class": class_name,
                    "patient": names["patient"],
                    "study": names["study"],
                    "series": names["series"],
                    "modality": identity.modality(dataset),
                    "width": stored.shape[1],
                    "height": stored.shape[0],
                    "window": window_name,
                    "source_sha256": sha256,
                    "split": "",
                }
            )
        held = batch.hold_back(dataset, extremes, sha256, settings)
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


def _blank_frames(reason, frames, count):
    """Say which frames a reason holds for, in one sentence."""
    if count == 1:
        return reason
    if len(frames) == count:
        return f"in every frame {reason}"
    return f"in frame{'s' if len(frames) > 1 else ''} {', '.join(map(str, frames))} of {count} {reason}"


def _class_of_patient(dataset, settings):
    classes = read_labels(settings.patient_labels)[1]
    patient = str(dataset.get("PatientID") or "").strip()
    return classes.get(patient, "")
