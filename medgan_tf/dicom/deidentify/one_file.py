"""De-identifies one DICOM file: a header cleaned by the profile, the same pixels, a name made of pseudonyms.

`deidentify` calls this in child processes, one file a call, as `dicom.convert` does with its own.
"""

import hashlib
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from medgan_tf.dicom import burned_in, greyscale, reading
from medgan_tf.dicom.batch import CannotWrite, hold_back, writing
from medgan_tf.dicom.deidentify import codestreams
from medgan_tf.dicom.identity import keys, modality, references

from .profile import clean


@dataclass(frozen=True)
class Settings:
    """What the files of one output folder have in common."""

    out_dir: Path
    key: bytes
    cleared: frozenset = frozenset()  # as for `dicom.convert`


def deidentify_file(path, settings):
    """De-identify one file and return its record, a dict as `dicom.one_file.convert_file` returns it."""
    warnings.simplefilter("ignore")
    logging.disable()
    record = {"sha256": "", "rows": [], "rejected": []}
    try:
        data = reading.read(path)
        record["sha256"] = hashlib.sha256(data).hexdigest()
        dataset = reading.parse(data)
        if "DirectoryRecordSequence" in dataset:
            return record | {"references": references(path, dataset)}
        if str(dataset.get("SOPClassUID") or "") not in UID_dictionary:
            raise reading.DicomError("is of a private kind (SOP Class), of which nobody knows what identifies")
        held = hold_back(dataset, displayed(dataset), record["sha256"], settings)
        if held and not held["cleared"]:
            return record | held
        return record | held | {"rows": [_write(dataset, record["sha256"], settings)]}
    except CannotWrite:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        return record | {"rejected": [reading.reason(error)]}


def displayed(dataset):
    """The `burned_in.Extremes` of all frames as a viewer shows them. Raises DicomError where pixels cannot be
    decoded.
    """
    extremes = burned_in.Extremes(reading.frame_count(dataset))
    frames, window = reading.stored_frames(dataset), "auto"
    if greyscale.needs_automatic_window(dataset):
        frames = list(frames)
        window = greyscale.automatic_window([greyscale.grey_quantiles(dataset, frames)])
    for index, stored in enumerate(frames):
        extremes.add(index, greyscale.show(dataset, index, stored, window)[0])
    return extremes


def _write(dataset, sha256, settings):
    """Write the cleaned file; its row of the manifest."""
    names = keys(dataset, sha256, settings.key)
    syntax = reading.transfer_syntax(dataset)
    _leave_only_pixels(dataset, syntax)
    clean(dataset, settings.key, names["patient"])
    dataset.file_meta = FileMetaDataset()  # and no preamble: both may hold anything
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.preamble = None
    file = settings.out_dir / names["patient"] / names["study"] / names["series"] / f"{names['instance']}.dcm"
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    with writing():
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        pydicom.dcmwrite(partial, dataset, enforce_file_format=True)
        with writing():
            partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return {
        "file": file.relative_to(settings.out_dir).as_posix(),
        "patient": names["patient"],
        "study": names["study"],
        "series": names["series"],
        "modality": modality(dataset),
        "sop_class": UID(dataset.SOPClassUID).name,
    }


def _leave_only_pixels(dataset, syntax):
    """Remove what the pixel data hold beside the pixels, such as comments: it is not shown, and may be anything."""
    if syntax.is_compressed:
        frames = reading.compressed_frames(dataset)
        frames = [codestreams.clean(frame, syntax, dataset.Rows, dataset.Columns) for frame in frames]
        dataset["PixelData"].value = encapsulate(frames, has_bot=len(frames) > 1)
        return
    bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
    length = (bits * reading.frame_count(dataset) + 7) // 8
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        length = length // 3 * 2
    for keyword in reading.PIXEL_DATA:
        if keyword in dataset:
            dataset[keyword].value = dataset[keyword].value[: length + length % 2]
