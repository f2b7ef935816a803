"""DICOM for the tests: written here by pydicom, or real files that come with pydicom or lie in shared/data."""

import io
import random
import re
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SHARED = Path(__file__).parents[2] / "shared" / "data" / "dicom"
TRANSFER_SYNTAXES = [b"1.2.840.10008.1.2" + end for end in (b"", b".1", b".2", b".5", b".4.50", b".4.51", b".4.70")]
TRANSFER_SYNTAXES += [b"1.2.840.10008.1.2" + end for end in (b".1.99", b".4.57", b".4.80", b".4.90", b".4.91", b".9")]


def make(pixels, **attributes):
    """A CT image of the given stored values; attributes by keyword, None to leave one out."""
    pixels = np.asarray(pixels)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    bits = 8 * pixels.dtype.itemsize
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "PatientID": "P1",
        "Modality": "CT",
        "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 1,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
    } | attributes
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or generate_uid()
    dataset["PixelData"] = pydicom.DataElement("PixelData", "OB" if bits == 8 else "OW", pixels.tobytes())
    return dataset


def to_bytes(dataset):
    """The bytes of a DICOM file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def write(path, dataset):
    """Write a Dataset, or the bytes of a file, into folders that need not be there; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dataset if isinstance(dataset, bytes) else to_bytes(dataset))
    return path


def contents(folder):
    """Everything below a folder: {relative path: bytes}."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def picture(seed=0, shape=(40, 48), low=0, high=1000, dtype=np.uint16):
    """Some smooth picture with noise, as stored values."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    wave = np.sin(rows / 5 + seed) + np.cos(columns / 7) + rng.normal(0, 0.1, shape)
    wave = (wave - wave.min()) / (wave.max() - wave.min())
    return (low + wave * (high - low)).astype(dtype)


def real_files(largest=600_000):
    """Real DICOM files of many kinds: those of shared/data where they are, else those inside pydicom."""
    root = SHARED if SHARED.exists() else Path(pydicom.__file__).parent / "data" / "test_files"
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size <= largest)
    return [path for path in files if path.read_bytes()[128:132] == b"DICM"]


def damaged(data, seed):
    """A damaged copy of a file, of a series of its own, in one of many ways, the same for the same seed."""
    rng = random.Random(seed)
    series = re.search(rb"\x20\0\x0e\0(UI..|....)([0-9.]{8,64})", data, re.DOTALL)
    data = bytearray(data)
    if series:
        data[series.end() - 6 : series.end()] = b"%06d" % seed
    way = rng.choice(["cut", "flip", "flip header", "zero", "syntax", "size", "photometric", "splice", "nonsense"])
    if way == "cut":
        del data[rng.randrange(len(data)) :]
    elif way in ("flip", "flip header"):
        end = len(data) if way == "flip" else min(len(data), 2048)
        for _ in range(rng.choice([1, 10, 100])):
            data[rng.randrange(132, end)] ^= 1 << rng.randrange(8)
    elif way == "zero":
        start = rng.randrange(132, len(data))
        data[start : start + rng.randrange(1, 5000)] = bytes(rng.randrange(1, 5000))
    elif way == "syntax":
        found = re.search(rb"1\.2\.840\.10008\.1\.2[.0-9]*\0?", data[132:1000])
        if found:
            start, end = (132 + place for place in found.span())
            data[start:end] = rng.choice(TRANSFER_SYNTAXES)[: end - start].ljust(end - start, b"\0")
    elif way == "size":
        tag = rng.choice([b"\x28\0\x10\0US\2\0", b"\x28\0\x11\0US\2\0", b"\x28\0\0\x01US\2\0", b"\x28\0\1\1US\2\0"])
        start = data.find(tag)
        if start > 0:
            data[start + 8 : start + 10] = rng.choice([b"\0\0", b"\1\0", b"\xff\xff", b"\0\x80", b"\x0c\0", b"\0\2"])
    elif way == "photometric":
        for old in (b"MONOCHROME2", b"MONOCHROME1", b"RGB", b"YBR_FULL_422", b"PALETTE COLOR"):
            new = rng.choice([b"MONOCHROME1", b"RGB", b"YBR_FULL", b"PALETTE COLOR", b"CMYK"])
            data = bytearray(bytes(data).replace(old, new[: len(old)].ljust(len(old)), 1))
    elif way == "splice":
        del data[rng.randrange(132, len(data)) :][: rng.randrange(1, 400)]
        start = rng.randrange(132, len(data))
        del data[start : start + rng.randrange(1, 400)]
    else:
        data = bytearray(rng.choice([b"", b"\x89PNG\r\n\x1a\n", b"hello,world\n", bytes(200), bytes(data[:140])]))
    return bytes(data)
