"""Uploaded bytes to pixels; the file's name, header and comments are never kept.

Decoding happens in a disposable child process (`dicom.isolation`), because decoders are old C libraries and uploads may
be hostile. This module must stay cheap to import: each child imports it.
"""

from io import BytesIO
from threading import BoundedSemaphore

import numpy as np
from PIL import Image

from medgan_tf.config import shape
from medgan_tf.dicom import DicomError, Header, isolation, read_image
from medgan_tf.dicom.parsing import looks_like_dicom, parse
from medgan_tf.sources import as_16_bits, upright

from .errors import AppError, busy

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 2**25  # enough for the largest mammograms; more is taken for an attack
MIN_SIDE = 16  # pixels
DECODING_SECONDS = 20
DECODING_MEMORY = 2**30  # bytes of address space, of which the interpreter takes a third; enough for MAX_PIXELS
WAITING_SECONDS = 60
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_slots = BoundedSemaphore(2)  # files decoded at the same time, each in its own process


def read(data, image_size):
    """(H, W, C) uint8 of the bytes of an uploaded file, at image_size. Raises AppError if it cannot be used."""
    if not data:
        raise _unreadable("The file is empty; choose a PNG, JPG or DICOM image.")
    if len(data) > MAX_BYTES:
        raise AppError(413, "too_large", f"Files of more than {MAX_BYTES >> 20} MB are refused.")
    if not _slots.acquire(timeout=WAITING_SECONDS):
        raise busy()
    try:
        return isolation.call(decode, data, image_size, seconds=DECODING_SECONDS, memory=DECODING_MEMORY)
    except MemoryError as error:
        message = f"The file cannot be read: its image takes more than {DECODING_MEMORY >> 20} MB of memory."
        raise _unreadable(message) from error
    except isolation.Crashed as error:
        raise _unreadable(f"The file cannot be read: it {error}.") from error
    finally:
        _slots.release()


def _unreadable(message):
    return AppError(422, "unreadable_image", message)


def decode(data, image_size):
    """(H, W, C) uint8 of the bytes of a PNG, JPG or DICOM file, padded to the aspect ratio of image_size, antialiased.

    DICOM becomes grey. The kind of file is recognised by its content. Raises AppError, for images that are too large
    before decoding them.
    """
    kind = file_kind(data)
    height, width, channels = shape(image_size)
    picture, box = _decode_dicom(data) if kind == "DICOM" else _decode_picture(data, kind, channels), (width, height)
    box_side, own_side = min(zip(box, picture.size, strict=True), key=lambda pair: pair[0] / pair[1])  # fills the box
    # Resize before padding: the square around a long strip would have thousands of times its pixels.
    size = [max(1, round(box_side * side / own_side)) for side in picture.size]
    canvas = Image.new(picture.mode, box)
    corner = tuple((outer - inner) // 2 for outer, inner in zip(box, size, strict=True))
    canvas.paste(picture.resize(size, Image.Resampling.LANCZOS), corner)
    pixels = np.clip(np.rint(np.asarray(canvas)), 0, 255).astype(np.uint8)
    return np.broadcast_to(pixels.reshape(height, width, -1), (height, width, channels))


def file_kind(data):
    """ "PNG", "JPEG" or "DICOM". Raises AppError for other files, and for files that are two kinds at once."""
    kinds = [name for start, name in SIGNATURES.items() if data.startswith(start)]
    kinds += ["DICOM"] * bool(looks_like_dicom(data))
    if not kinds:
        raise _unreadable("The file is neither a PNG, a JPG nor a DICOM image.")
    if len(kinds) > 1:
        raise _unreadable("The file is of two kinds at once; save the image again.")
    return kinds[0]


def _decode_picture(data, kind, channels):
    try:
        with Image.open(BytesIO(data), formats=[kind]) as image:
            _check_size(*image.size)
            if getattr(image, "n_frames", 1) > 1:
                raise _unreadable("The file holds several images; save one of them.")
            image.load()
            if image.mode.startswith("I"):
                return Image.fromarray(as_16_bits(np.asarray(upright(image))) / np.float32(257))
            picture = upright(image, channels)
            return picture if picture.mode == "RGB" else picture.convert("F")
    except (AppError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_many_pixels() from error
    except Exception as error:  # decoders raise all kinds of errors for malformed files
        raise _unreadable(f"The {kind} file is damaged or incomplete; save the image again.") from error


def _decode_dicom(data):
    try:
        header = Header.of(parse(data))
        _check_size(header.columns, header.rows)
        if (frames := header.frame_count) > 1:
            raise _unreadable(f"The DICOM file holds {frames} frames; save one of them as a file of its own.")
        pixels = read_image(header)
    except AppError:
        raise
    except DicomError as error:
        problem = str(error).removeprefix("The DICOM data ").rstrip(".")
        raise _unreadable(f"The DICOM file {problem}.") from error
    except Exception as error:
        raise _unreadable("The DICOM file is damaged.") from error
    _check_size(*pixels.shape[::-1])  # again: images with non-square pixels were resampled
    return Image.fromarray(pixels * np.float32(255))


def _check_size(width, height):
    if min(width, height) < MIN_SIDE:
        raise _unreadable(f"The image has {width} x {height} pixels; each side needs at least {MIN_SIDE}.")
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()


def _too_many_pixels():
    return _unreadable(f"The image has more than {MAX_PIXELS:,} pixels, the largest number accepted.")
