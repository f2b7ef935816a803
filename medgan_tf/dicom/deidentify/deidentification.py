"""De-identify folders of DICOM into folders named after patient, study and series, all pseudonyms.

An output folder holds `<patient>/<study>/<series>/<instance>.dcm`, `manifest.csv` and `deidentify.json` (a check of
the key). The folder beside it and the rules for burned-in text are those of `dicom.convert`.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from medgan_tf.dicom import journal
from medgan_tf.dicom.batch import Batch, record_of_file
from medgan_tf.dicom.burned_in import Extremes
from medgan_tf.dicom.deidentify import codestreams
from medgan_tf.dicom.deidentify.profile import clean
from medgan_tf.dicom.display import displayed_frames
from medgan_tf.dicom.find_files import find_files
from medgan_tf.dicom.parsing import PIXEL_DATA, DicomError
from medgan_tf.dicom.pixels import compressed_frames, native_length
from medgan_tf.dicom.pseudonyms import load_key, pseudonym, pseudonyms_of
from medgan_tf.dicom.review import cleared_files, describe_sheets, hold_back, write_sheets
from medgan_tf.files import atomic_write

COLUMNS = ["file", "patient", "study", "series", "modality", "sop_class"]


@dataclass(frozen=True)
class DeidentificationSettings:
    """What the files of one output folder have in common."""

    out_dir: Path
    key: bytes
    cleared: frozenset = frozenset()  # as for `dicom.convert`


@dataclass
class Report:
    """What `deidentify` did: numbers of files written, rejected and held back for review."""

    written: int
    rejected: int
    held_back: int
    seconds: float
    manifest: Path

    def __str__(self):
        return f"{self.written} files de-identified in {self.seconds:.1f} s; {describe_sheets(self)}"


def deidentify(sources, out_dir, workers=None):
    """De-identify the DICOM images in `sources` (folders or files) into `out_dir`; return a Report.

    Files are recognised by content; those without pixels (reports, plans) are rejected, because they consist of text
    and structure only. An image that may show text is left out until it is cleared in review.csv and this runs again.
    workers, reruns and errors: as for `dicom.convert`.
    """
    start = time.monotonic()
    out_dir = Path(out_dir)
    settings = DeidentificationSettings(out_dir.absolute(), load_key(), cleared_files(out_dir))
    files = find_files(sources, out_dir, labels="none")  # folders of classes are not written
    with journal.explain_write_errors(out_dir):
        check = {"key": pseudonym(settings.key, "key", "check")}  # tells which key it is without giving it away
        journal.refuse_other_settings(out_dir / "deidentify.json", check)
        with Batch(deidentify_file, settings, workers) as batch:
            records = batch.run_with_listed({path: () for path in files})
        rows, rejected, held_back = write_sheets(records, COLUMNS, settings, "*/*/*/*.dcm")
    return Report(len(rows), rejected, held_back, time.monotonic() - start, out_dir / "manifest.csv")


def deidentify_file(path, settings, slices=None):
    """De-identify one file and return its record, a dict as `convert_file` returns it. Raises CannotWrite."""
    return record_of_file(path, partial(_deidentify, settings, slices))


def _deidentify(settings, slices, header, sha256):
    if header.sop_class not in UID_dictionary:
        raise DicomError("is of a private kind (SOP Class), of which nobody knows what identifies")
    extremes = Extremes.of_frames(header.frame_count)
    for image, _ in displayed_frames(header):
        extremes.add(image)
    held = hold_back(header, extremes, sha256, settings, slices)
    if held and not held["cleared"]:
        return held
    return held | {"rows": [_write(header, sha256, settings)]}


def _write(header, sha256, settings):
    """Write the cleaned file; return its row of the manifest."""
    names, dataset = pseudonyms_of(header, sha256, settings.key), header.dataset
    _leave_only_pixels(header)
    clean(dataset, settings.key, names["patient"])
    dataset.file_meta = FileMetaDataset()  # a new one without preamble: both may hold anything
    dataset.file_meta.TransferSyntaxUID = header.transfer_syntax
    dataset.preamble = None
    file = f"{names['patient']}/{names['study']}/{names['series']}/{names.pop('instance')}.dcm"
    with journal.writing():
        atomic_write(settings.out_dir / file, partial(dataset.save_as, enforce_file_format=True))
    return {"file": file, **names, "modality": header.standard_modality, "sop_class": UID(header.sop_class).name}


def _leave_only_pixels(header):
    """Remove what the pixel data hold beside the pixels, such as comments: it is not shown, and may be anything."""
    dataset, syntax = header.dataset, header.transfer_syntax
    if syntax.is_compressed:
        size = dataset.Rows, dataset.Columns
        frames = [codestreams.clean(frame, syntax, *size) for frame in compressed_frames(header)]
        dataset["PixelData"].value = encapsulate(frames, has_bot=len(frames) > 1)
        return
    length = native_length(header)
    for keyword in PIXEL_DATA:
        if keyword in dataset:
            dataset[keyword].value = dataset[keyword].value[: length + length % 2]
