"""Uploaded bytes to grey pixels, and nothing else of them: no name, header or comment comes along.

`decode` is run in a disposable process (`dicom.isolation`): decoders are old C libraries, and uploads may be hostile.
"""

from io import BytesIO

import numpy as np
from PIL import Image

from medgan_tf.config import sides
from medgan_tf.dicom import DicomError, reading
from medgan_tf.dicom.greyscale import number

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 2**25  # of the largest mammograms; more are taken for an attack
SMALLEST = 16  # pixels of a side
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
REFUSED = "The file is neither a PNG, a JPG nor a DICOM image."


class RefusedError(ValueError):
    """An upload that cannot be used; the message is one sentence."""


def decode(data, image_size):
    """uint8 (H, W, 1) of the bytes of a PNG, JPG or DICOM file, padded to the aspect of image_size, antialiased.

    The kind is known by content; size limits are held before any pixel is decoded. Raises RefusedError.
    """
    grey = _dicom(data) if kind(data) == "DICOM" else _picture(data, kind(data))
    box = sides(image_size)[::-1]
    most, own = min(zip(box, grey.size, strict=True), key=lambda pair: pair[0] / pair[1])  # the side that fills the box
    # Padded only when small: the box around a long strip would be thousands of times its pixels.
    size = [max(1, round(most * side / own)) for side in grey.size]
    canvas = Image.new("F", box)
    places = tuple((room - side) // 2 for room, side in zip(box, size, strict=True))
    canvas.paste(grey.resize(size, Image.Resampling.LANCZOS), places)
    return np.clip(np.rint(np.asarray(canvas)), 0, 255).astype(np.uint8)[:, :, None]


def kind(data):
    """ "PNG", "JPEG" or "DICOM". Raises RefusedError for anything else, and for what is two of them."""
    kinds = [name for start, name in SIGNATURES.items() if data.startswith(start)]
    kinds += ["DICOM"] if reading.looks_like_dicom(data) else []
    if len(kinds) != 1:
        raise RefusedError(REFUSED if not kinds else "The file is of two kinds at once; save the picture anew.")
    return kinds[0]


def _picture(data, name):
    try:
        with Image.open(BytesIO(data), formats=[name]) as image:
            _check(*image.size)
            if getattr(image, "n_frames", 1) > 1:
                raise RefusedError("The file holds several pictures; save one of them.")
            image.load()
            if image.mode.startswith("I"):  # 16 bits
                return Image.fromarray(np.asarray(image).astype(np.float32) / 257)
            if "A" in image.getbands() or "transparency" in image.info:  # on black, as viewers of radiographs show it
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
            return image.convert("L").convert("F")
    except (RefusedError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise RefusedError(f"The picture has more than {MAX_PIXELS:,} pixels; such are refused.") from error
    except Exception as error:  # malformed files make decoders raise anything
        raise RefusedError(f"The {name} file is damaged or not finished; save the picture anew.") from error


def _dicom(data):
    try:
        dataset = reading.parse(data)
        _check(int(number(dataset, "Columns", 0)), int(number(dataset, "Rows", 0)))
        frames = reading.frame_count(dataset)
        if frames > 1:
            raise RefusedError(f"The DICOM file holds {frames} frames; save one of them as a file of its own.")
        pixels = reading.read_image(dataset)
    except RefusedError:
        raise
    except DicomError as error:
        sentence = str(error).removeprefix("The DICOM data ").rstrip(".")
        raise RefusedError(f"The DICOM file {sentence}.") from error
    except Exception as error:
        raise RefusedError("The DICOM file is damaged.") from error
    _check(*pixels.shape[::-1])  # again: pixels that are not square were resampled
    return Image.fromarray(pixels * np.float32(255))


def _check(width, height):
    if min(width, height) < SMALLEST:
        raise RefusedError(f"The picture has {width} x {height} pixels; it needs at least {SMALLEST} a side.")
    if width * height > MAX_PIXELS:
        raise RefusedError(f"The picture has more than {MAX_PIXELS:,} pixels; such are refused.")
