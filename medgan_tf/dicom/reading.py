"""Reads one DICOM file as the picture its makers meant to be seen: grey, in [0, 1], with square pixels.

The order is that of PS3.3 C.11 and PS3.4 N.2: stored values, modality LUT, VOI LUT or window, and
MONOCHROME1 inverted last. Colour and palette images become luminance and take no window.
"""

import re
import stat
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom._uid_dict import UID_dictionary
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.uid import UID, JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

from medgan_tf.dicom import decoders

from .greyscale import (
    WINDOWS,
    DicomError,
    automatic_window,
    grey_quantiles,
    is_colour,
    needs_automatic_window,
    number,
    pixel_aspect,
    show,
)

__all__ = ["WINDOWS", "DicomError", "parse", "read_image", "reason", "stored_frames"]

MAX_FRAME_PIXELS = 2**27  # above this a header is taken for damaged; the largest mammograms hold 2**25
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G, B (ITU-R BT.601, the Y of YBR_FULL)
PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

decoders.install()


def read_image(source, window="auto"):
    """Read a DICOM image (a path, the bytes of a file, or a pydicom Dataset).

    Returns float32 (H, W), or (frames, H, W) for a multi-frame image, in [0, 1], with square pixels;
    bright is what the file's makers want bright, and pixel padding is black.

    `window` is "auto" (the file's own VOI LUT or first window, else the middle 99% of its values), an
    int (that one of the file's several windows), a name in WINDOWS (Hounsfield units: CT only) or a pair
    (center, width). Raises DicomError, with one sentence, where there is no image to show.
    """
    name = source if isinstance(source, (str, Path)) else "The DICOM data"
    try:
        dataset = source if isinstance(source, Dataset) else parse(source)
        frames = stored_frames(dataset)
        if window == "auto" and needs_automatic_window(dataset):
            frames = list(frames)
            window = automatic_window([grey_quantiles(dataset, frames)])
        images = [show(dataset, index, stored, window)[0] for index, stored in enumerate(frames)]
        images = [_with_square_pixels(image, pixel_aspect(dataset, i)) for i, image in enumerate(images)]
    except OSError:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        raise DicomError(f"{name} {reason(error)}.") from error
    return images[0] if len(images) == 1 else np.stack(images)


def parse(source):
    """Parse a path or the bytes of a file into a Dataset that holds an image, else raise DicomError."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise DicomError("is empty")
    if not looks_like_dicom(data):
        raise DicomError("is not DICOM")
    try:
        dataset = dcmread(BytesIO(data), force=True)
    except Exception as error:
        raise DicomError(f"is damaged: {_gist(error)}") from error
    sop_class = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or ""
    if "DirectoryRecordSequence" in dataset or any(dataset.get(keyword) for keyword in PIXEL_DATA):
        return dataset
    if re.search(rb"\xe0\x7f\x10\x00(O[BW]\x00\x00)?\xff\xff\xff\xff\xfe\xff\x00\xe0", data):
        raise DicomError("is truncated: its compressed pixel data have no end")
    if not sop_class and data[128:132] != b"DICM" and "Rows" not in dataset and "Modality" not in dataset:
        raise DicomError("is not DICOM")
    known = UID(sop_class) in UID_dictionary
    kind = f" ({UID(sop_class).name.removesuffix(' Storage')})" if known else ""
    raise DicomError(f"holds no pixel data{kind}")


def looks_like_dicom(data):
    """True where bytes start with a preamble and "DICM", or without one with a tag of group 2 or 8."""
    little, big = data[:2] in (b"\2\0", b"\b\0") and data[3:4] == b"\0", data[:3] in (b"\0\2\0", b"\0\b\0")
    return data[128:132] == b"DICM" or little or big


def stored_frames(dataset):
    """Yield each frame as stored: (H, W) of any number type, or float32 (H, W) luminance for colour.

    Raises DicomError, or what pydicom and its decoders raise (see `reason`), for pixel data that are
    truncated or cannot be decoded.
    """
    rows, columns = number(dataset, "Rows", 0), number(dataset, "Columns", 0)
    if not (rows >= 1 and columns >= 1):
        raise DicomError("is damaged: its header states no number of rows and columns")
    if rows * columns > MAX_FRAME_PIXELS:
        raise DicomError(f"is refused: its header claims {columns:.0f} x {rows:.0f} pixels")
    expected, count = frame_count(dataset), 0
    syntax = transfer_syntax(dataset)
    _see_ends_of_streams(dataset, syntax)
    decoded = get_decoder(syntax).iter_array(dataset, **_missing_properties(dataset))
    for stored, properties in _without_panic(decoded):
        count += 1
        yield _to_grey(dataset, stored, properties)
        if count == expected:
            return
    raise DicomError(f"is truncated: it holds {count} of {expected} frames")


def _see_ends_of_streams(dataset, syntax):
    """Raise DicomError for a JPEG, JPEG-LS or JPEG 2000 stream that was cut off: decoders just fill it up."""
    if syntax not in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes):
        return
    for index, stream in enumerate(compressed_frames(dataset)):
        if b"\xff\xd9" not in stream[-64:]:  # the end marker, and what pads it
            raise DicomError(f"is truncated: the compressed data of frame {index + 1} have no end")


def compressed_frames(dataset):
    """The bytes of each frame of compressed pixel data (PS3.5, A.4), of no more frames than the header states."""
    offsets = (dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths"))
    frames = generate_frames(
        dataset.PixelData,
        number_of_frames=frame_count(dataset),
        extended_offsets=offsets if all(offsets) else None,
    )
    return islice(frames, frame_count(dataset))


def _without_panic(frames):
    """Decoders in Rust panic with an exception that no `except Exception` would catch."""
    try:
        yield from frames
    except BaseException as error:
        if isinstance(error, (Exception, GeneratorExit, KeyboardInterrupt, SystemExit)):
            raise
        raise DicomError(f"cannot be decoded: {_gist(error)}") from error


def frame_count(dataset):
    """Number of frames that the header states."""
    return max(1, int(number(dataset, "NumberOfFrames", 1)))


def _with_square_pixels(image, aspect):
    """Resample along the axis of coarser pixels, so that nothing is lost."""
    if aspect == 1:
        return image
    height, width = image.shape
    size = (width, round(height * aspect)) if aspect > 1 else (round(width / aspect), height)
    return np.clip(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), 0, 1)


def _to_grey(dataset, stored, properties):
    """Colour and palette frames to luminance in [0, 1]; grey frames as they are."""
    if not is_colour(dataset):
        return stored
    if stored.ndim == 2:
        bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
        stored = apply_color_lut(stored, dataset)[..., :3]
    else:
        bits = properties["bits_stored"]
    return np.clip((stored.astype(np.float32) @ LUMINANCE) / (2.0**bits - 1), 0, 1).astype(np.float32)


def _missing_properties(dataset):
    """What old or careless writers leave out of the Image Pixel module, and what it is then taken to be."""
    samples = int(number(dataset, "SamplesPerPixel", 1))
    defaults = {
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "SamplesPerPixel": 1,
        "PixelRepresentation": 0,
        "BitsStored": dataset.get("BitsAllocated"),
        "PlanarConfiguration": 0,
    }
    names = {keyword: re.sub(r"(?<!^)(?=[A-Z])", "_", keyword).lower() for keyword in defaults}
    return {names[key]: value for key, value in defaults.items() if dataset.get(key) in (None, "")}


def transfer_syntax(dataset):
    """The transfer syntax stated in the file, else the one its pixel data look like."""
    stated = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID")
    if stated:
        return UID(stated)
    data = dataset.get("PixelData") or b""
    if data[:4] != b"\xfe\xff\x00\xe0":
        implicit, little = dataset.original_encoding
        return UID("1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2"))
    stream = data[8 + int.from_bytes(data[4:8], "little") + 8 :]
    if stream[:2] == b"\xff\x4f":
        return UID("1.2.840.10008.1.2.4.90")  # JPEG 2000
    frame_header = re.search(rb"\xff([\xc0\xc1\xc3\xf7])", stream[:65536])
    if stream[:2] != b"\xff\xd8" or not frame_header:
        return UID("1.2.840.10008.1.2.5")  # RLE
    by_marker = {b"\xc0": "50", b"\xc1": "51", b"\xc3": "70", b"\xf7": "80"}
    return UID("1.2.840.10008.1.2.4." + by_marker[frame_header[1]])


def reason(error):
    """Say as a phrase that follows a file's name why reading raised `error`."""
    if isinstance(error, DicomError):
        return str(error)
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    short = re.search(r"less than expected \((\d+) vs (\d+)", str(error))
    if short:
        return "is truncated: the pixel data end after {} of {} bytes".format(*short.groups())
    lacking = re.search(r"no attribute '([A-Z]\w+)'", str(error))
    if lacking:
        return f"is damaged: its header lacks {lacking[1]}"
    if "cannot reshape" in str(error) or "could not broadcast" in str(error):
        return "is damaged: its pixel data do not have the size that its header states"
    return f"cannot be decoded: {_gist(error)}"


def _gist(error):
    """The first sentence of the last line of a library's message, without memory addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return re.sub(r" ?<[^>]*>", "", re.split(r"\. (?=[A-Z])", lines[-1])[0])[:200].rstrip(".")


def read(path):
    """The bytes of a regular file; of one that is clearly not DICOM, only the first."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise DicomError("is not a regular file")
        with Path(path).open("rb") as file:
            start = file.read(132)
            return start + file.read() if looks_like_dicom(start) else start
    except OSError as error:
        raise DicomError(f"cannot be read ({error.strerror})") from error
