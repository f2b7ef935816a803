"""JPEG compression of image files, and the same compression applied to real and synthetic images.

Synthetic images come straight from the network, real ones often from JPG files, and a metric sees that difference too
(Parmar et al. 2022, clean-fid, arXiv 2104.11222). So both sides are given the same encoding before they are compared.
"""

from functools import cache, lru_cache
from io import BytesIO

import numpy as np
from PIL import Image

from medgan_tf.sources import displayed

LOSSLESS = 0
SHRUNK = 2  # files at least this many times larger than the images read from them count as lossless


def jpg_quality(image, height, width):
    """JPG quality, 1 to 100, of an open PIL image that will be resized to height x width; 0 counts as lossless.

    Lossless are all other formats, and JPG of at least twice the size: averaging pixels leaves no more of the
    compression than the rounding of grey levels. The quality is that whose IJG quantisation table is nearest to the
    file's own; other encoders have other scales.
    """
    if image.format != "JPEG" or image.width >= SHRUNK * width or image.height >= SHRUNK * height:
        return LOSSLESS
    return _nearest_quality(tuple(image.quantization[0]))


def reencode(images, quality):
    """uint8 images (N, H, W, C) after being saved as JPG of this quality, 1 to 100, and read again.

    Images that were already JPG of the same quality and size change by little more than rounding. Raises ValueError
    for images that are not uint8.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"JPG holds 8 bits, and these images are {images.dtype}: compare PNG with PNG")
    decoded = [np.asarray(Image.open(_jpg(Image.fromarray(displayed(image)), quality))) for image in images]
    return np.stack(decoded).reshape(images.shape)


def match_encoding(*image_sets):
    """The `ImageSet`s with one encoding: JPG of the lowest quality that any of them has, or unchanged if lossless.

    A set of which every image already has that quality is returned unchanged.

    >>> real, synthetic = datasets.match_encoding(data.held_out, generator.sample_set(500))
    """
    qualities = [quality for each in image_sets if (quality := each.jpg_quality)]
    return tuple(each.as_jpg(min(qualities, default=None)) for each in image_sets)


@lru_cache(1024)
def _nearest_quality(table):
    tables = _luminance_tables()
    return min(tables, key=lambda quality: np.abs(tables[quality] - table).sum())


@cache
def _luminance_tables():
    """{quality: (64,)} quantisation tables, taken from what Pillow writes."""
    pixel = Image.new("L", (8, 8))
    return {quality: np.array(Image.open(_jpg(pixel, quality)).quantization[0]) for quality in range(1, 101)}


def _jpg(image, quality):
    memory = BytesIO()
    image.save(memory, "JPEG", quality=quality)
    memory.seek(0)
    return memory
