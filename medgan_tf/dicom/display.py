"""One DICOM file as the image that its makers meant to be seen: grey, in [0, 1], with square pixels."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset

from medgan_tf.dicom.grey_levels import choose_window, to_grey
from medgan_tf.dicom.header import Header
from medgan_tf.dicom.parsing import DicomError, parse, reason
from medgan_tf.dicom.pixels import stored_frames


def read_image(source, window="auto"):
    """Read a DICOM image (a path, the bytes of a file, a pydicom Dataset or a Header).

    Returns float32 (H, W), or (frames, H, W) for a multi-frame image, in [0, 1], with square pixels; bright is what the
    file's makers want bright, and pixel padding is black. window: "auto" (the file's own VOI LUT or first window, else
    the middle 99% of its values), an int (that one of the file's several windows), a name in WINDOWS (Hounsfield units:
    CT only) or a pair (center, width). Raises DicomError, with one sentence, where there is no image to show.

    >>> image = read_image("chest.dcm", window=(40, 400))
    """
    name = source if isinstance(source, (str, Path)) else "The DICOM data"
    try:
        if not isinstance(source, Header):
            source = Header.of(source if isinstance(source, Dataset) else parse(source))
        images = [_with_square_pixels(image, frame.pixel_aspect) for image, frame in displayed_frames(source, window)]
    except OSError:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        raise DicomError(f"{name} {reason(error)}.") from error
    return images[0] if len(images) == 1 else np.stack(images)


def displayed_frames(header, window="auto"):
    """Yield (image, FrameHeader) of each frame: as a viewer shows it, float32 (H, W) in [0, 1].

    window: as in `read_image`. Raises what `stored_frames` raises, and DicomError for a window that is not there.
    """
    frames, window, _ = choose_window(header, stored_frames(header), window)
    for stored, frame in frames:
        yield to_grey(header, stored, frame, window)[0], frame


def _with_square_pixels(image, aspect):
    """Resample along the axis of coarser pixels, so that nothing is lost."""
    if aspect == 1:
        return image
    height, width = image.shape
    size = (width, round(height * aspect)) if aspect > 1 else (round(width / aspect), height)
    return np.clip(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), 0, 1)
