"""De-identify one DICOM file: a header cleaned by the profile, the same pixels, a name made of pseudonyms.

`deidentify` calls this in child processes, one file a call, as `dicom.convert` does with `convert_file`.
"""

import hashlib
import logging
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pydicom
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from medgan_tf.dicom.burned_in import Extremes
from medgan_tf.dicom.deidentify import codestreams
from medgan_tf.dicom.deidentify.profile import clean
from medgan_tf.dicom.display import displayed_frames
from medgan_tf.dicom.find_files import files_of_dicomdir
from medgan_tf.dicom.header import Header
from medgan_tf.dicom.journal import CannotWrite, writing
from medgan_tf.dicom.parsing import PIXEL_DATA, DicomError, parse, read_bytes, reason
from medgan_tf.dicom.pixels import compressed_frames
from medgan_tf.dicom.pseudonyms import pseudonyms_of
from medgan_tf.dicom.review import hold_back
from medgan_tf.files import atomic_write


@dataclass(frozen=True)
class DeidentificationSettings:
    """What the files of one output folder have in common."""

    out_dir: Path
    key: bytes
    cleared: frozenset = frozenset()  # as for `dicom.convert`


def deidentify_file(path, settings):
    """De-identify one file and return its record, a dict as `convert_file` returns it. Raises CannotWrite."""
    warnings.simplefilter("ignore")
    logging.disable()
    record = {"sha256": "", "rows": [], "rejected": []}
    try:
        data = read_bytes(path)
        record["sha256"] = hashlib.sha256(data).hexdigest()
        dataset = parse(data)
        if "DirectoryRecordSequence" in dataset:
            return record | {"references": files_of_dicomdir(path, dataset)}
        header = Header.of(dataset)
        if header.sop_class not in UID_dictionary:
            raise DicomError("is of a private kind (SOP Class), of which nobody knows what identifies")
        extremes = Extremes(header.frame_count)
        for index, (image, _) in enumerate(displayed_frames(header)):
            extremes.add(index, image)
        held = hold_back(header, extremes, record["sha256"], settings)
        if held and not held["cleared"]:
            return record | held
        return record | held | {"rows": [_write(header, record["sha256"], settings)]}
    except CannotWrite:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        return record | {"rejected": [reason(error)]}


def _write(header, sha256, settings):
    """Write the cleaned file; return its row of the manifest."""
    names, dataset = pseudonyms_of(header, sha256, settings.key), header.dataset
    _leave_only_pixels(header)
    clean(dataset, settings.key, names["patient"])
    dataset.file_meta = FileMetaDataset()  # a new one without preamble: both may hold anything
    dataset.file_meta.TransferSyntaxUID = header.transfer_syntax
    dataset.preamble = None
    file = f"{names['patient']}/{names['study']}/{names['series']}/{names['instance']}.dcm"
    with writing():
        atomic_write(settings.out_dir / file, partial(pydicom.dcmwrite, dataset=dataset, enforce_file_format=True))
    return {
        "file": file,
        "patient": names["patient"],
        "study": names["study"],
        "series": names["series"],
        "modality": header.standard_modality,
        "sop_class": UID(header.sop_class).name,
    }


def _leave_only_pixels(header):
    """Remove what the pixel data hold beside the pixels, such as comments: it is not shown, and may be anything."""
    dataset = header.dataset
    if header.transfer_syntax.is_compressed:
        frames = [
            codestreams.clean(frame, header.transfer_syntax, dataset.Rows, dataset.Columns)
            for frame in compressed_frames(header)
        ]
        dataset["PixelData"].value = encapsulate(frames, has_bot=len(frames) > 1)
        return
    bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
    length = (bits * header.frame_count + 7) // 8
    if header.photometric == "YBR_FULL_422":
        length = length // 3 * 2
    for keyword in PIXEL_DATA:
        if keyword in dataset:
            dataset[keyword].value = dataset[keyword].value[: length + length % 2]
