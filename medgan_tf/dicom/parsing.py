"""From the bytes of a DICOM file to a pydicom Dataset; what is wrong with a file, as one phrase."""

import re
import stat
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
ENDLESS_PIXEL_DATA = re.compile(rb"\xe0\x7f\x10\x00(O[BW]\x00\x00)?\xff\xff\xff\xff\xfe\xff\x00\xe0")


class DicomError(ValueError):
    """A file cannot be shown; the message is a phrase that follows the file's name ("is not DICOM")."""


def read_bytes(path):
    """Return the bytes of a regular file; of a file that is clearly not DICOM, only the first. Raises DicomError."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise DicomError("is not a regular file")
        with Path(path).open("rb") as file:
            start = file.read(132)
            return start + file.read() if looks_like_dicom(start) else start
    except OSError as error:
        raise DicomError(f"cannot be read ({error.strerror})") from error


def looks_like_dicom(data):
    """Return True for bytes that start with a preamble and "DICM", or without one with a tag of group 2 or 8."""
    little, big = data[:2] in (b"\2\0", b"\b\0") and data[3:4] == b"\0", data[:3] in (b"\0\2\0", b"\0\b\0")
    return data[128:132] == b"DICM" or little or big


def parse(source):
    """Parse a path or the bytes of a file into a Dataset with pixel data or a DICOMDIR's; else raise DicomError."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise DicomError("is empty")
    if not looks_like_dicom(data):
        raise DicomError("is not DICOM")
    try:
        dataset = dcmread(BytesIO(data), force=True)
    except Exception as error:
        raise DicomError(f"is damaged: {_first_sentence(error)}") from error
    if "DirectoryRecordSequence" in dataset or any(dataset.get(keyword) for keyword in PIXEL_DATA):
        return dataset
    if ENDLESS_PIXEL_DATA.search(data):
        raise DicomError("is truncated: its compressed pixel data have no end")
    sop_class = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""
    if not sop_class and data[128:132] != b"DICM" and "Rows" not in dataset and "Modality" not in dataset:
        raise DicomError("is not DICOM")
    kind = UID(sop_class).name.removesuffix(" Storage") if UID(sop_class) in UID_dictionary else ""
    raise DicomError(f"holds no pixel data{kind and f' ({kind})'}")


def reason(error):
    """Return why reading a file raised `error`, as a phrase that follows the file's name."""
    if isinstance(error, DicomError):
        return str(error)
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if short := re.search(r"less than expected \((\d+) vs (\d+)", str(error)):
        return f"is truncated: the pixel data end after {short[1]} of {short[2]} bytes"
    if missing := re.search(r"no attribute '([A-Z]\w+)'", str(error)):
        return f"is damaged: its header lacks {missing[1]}"
    if "cannot reshape" in str(error) or "could not broadcast" in str(error):
        return "is damaged: its pixel data do not have the size that its header states"
    return f"cannot be decoded: {_first_sentence(error)}"


def _first_sentence(error):
    """The first sentence of the last line of a library's message, without memory addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return re.sub(r" ?<[^>]*>", "", re.split(r"\. (?=[A-Z])", lines[-1])[0])[:200].rstrip(".")
