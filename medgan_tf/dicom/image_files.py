"""Image files: fit grey levels into a size, and save them."""

from functools import partial

import numpy as np
from PIL import Image

from medgan_tf.config import sides
from medgan_tf.dicom.journal import writing
from medgan_tf.files import atomic_write

SUFFIXES = {"jpg": ".jpg", "png": ".png", "png16": ".png"}


def fit(image, aspect, image_size, crop, is_mask=False):
    """Fit float32 (H, W[, 3]) in [0, 1] into an image_size: all of it on black, or with `crop` its centre filling all.

    aspect: height over width of a pixel. image_size: a square's side, or (height, width), in pixels. is_mask: values
    are those of labels, so that the nearest is taken and none lies between two.
    """
    if image.ndim == 3:
        channels = np.moveaxis(image, -1, 0)
        return np.stack([fit(each, aspect, image_size, crop, is_mask) for each in channels], axis=-1)
    (height, width), box = image.shape, sides(image_size)[::-1]
    lengths = list(zip((width, height * aspect), box, strict=True))  # in pixel widths, each with the side it must fit
    scale = (max if crop else min)(side / length for length, side in lengths)
    target = [max(1, min(side, round(length * scale))) for length, side in lengths]
    across, down = (min(1, side / (length * scale)) for length, side in lengths)  # part shown when cropping
    left, top = width * (1 - across) / 2, height * (1 - down) / 2
    shown = (left, top, width - left, height - top)
    # reducing_gap averages blocks first, which is much faster for a large radiograph
    how = (Image.Resampling.NEAREST, shown) if is_mask else (Image.Resampling.LANCZOS, shown, 3.0)
    resized = Image.fromarray(image).resize(target, *how)
    canvas = np.zeros(box[::-1], np.float32)
    left, top = ((side - length) // 2 for side, length in zip(box, target, strict=True))
    canvas[top : top + target[1], left : left + target[0]] = np.clip(resized, 0, 1)
    return canvas


def save(image, path, format):
    """Write float32 (H, W[, 3]) in [0, 1] as 8-bit JPEG or PNG, or grey as 16-bit PNG, whole or not at all.

    Raises CannotWrite.
    """
    levels, dtype = (65535, np.uint16) if format == "png16" else (255, np.uint8)
    picture = Image.fromarray(np.rint(image * levels).astype(dtype))
    with writing():
        atomic_write(path, partial(picture.save, format="JPEG" if format == "jpg" else "PNG", quality=95))
