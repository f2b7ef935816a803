"""JPG against PNG: the traces that an encoding leaves, and how both sides come to bear the same.

Generated images come straight from the network, real ones out of JPG files; a metric sees that difference too (Parmar
et al. 2022, clean-fid). Measure what `alike` returns.
"""

from collections import Counter
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

from medgan_tf.config import sides

LOSSLESS = {None: 1}
SHRUNK = (
    2  # times smaller than the file: averaging has then brought a code's traces down to the rounding of grey levels
)


def encodings(files, image_size):
    """Counter of how image files are encoded: JPG quality, 1 to 100, or None where no trace is left.

    None is PNG, and JPG of at least twice image_size, which is shrunk before it is measured. The quality is that whose
    IJG quantisation table is nearest to the file's own; other encoders' scales differ.
    """
    return Counter(_encoding(file, image_size) for file in files)


def encodings_of(data, split):
    """`encodings` of the files of a split of a datasets.Images."""
    return encodings([data.root / file for file in split.files], data.image_size)


def reencode(images, quality):
    """uint8 images (N, H, W, 1) as they come back from JPG files of this quality, 1 to 100.

    Images that already were in JPG of the same quality and size change by little more than rounding.
    Raises ValueError for images that are not uint8, which JPG cannot hold.
    """
    if images.dtype != np.uint8:
        raise ValueError(f"JPG holds 8 bits, and these images are {images.dtype}: compare PNG with PNG")
    decoded = [np.asarray(Image.open(_jpg(Image.fromarray(image[..., 0]), quality))) for image in images]
    return np.stack(decoded)[..., None]


def match_encoding(real, fake, real_encodings=LOSSLESS, fake_encodings=LOSSLESS):
    """(real, fake, quality): both sides after one encoding, JPG of the lowest quality that either has.

    real, fake: uint8 (N, H, W, 1). real_encodings, fake_encodings: from `encodings`; by default lossless, as images
    straight from a network are. A side that is throughout of that quality is left as it is, and so are both where they
    are of one encoding; quality is None where that is lossless.
    """
    found = set(real_encodings) | set(fake_encodings)
    if len(found) == 1:
        return real, fake, found.pop()
    quality = min(found - {None})
    sides = (real, real_encodings), (fake, fake_encodings)
    return *(images if set(own) == {quality} else reencode(images, quality) for images, own in sides), quality


def _encoding(file, image_size):
    with Image.open(file) as image:
        height, width = sides(image_size)
        if image.format != "JPEG" or image.width >= SHRUNK * width or image.height >= SHRUNK * height:
            return None
        tables = _luminance_tables()
        return min(tables, key=lambda quality: np.abs(tables[quality] - image.quantization[0]).sum())


@cache
def _luminance_tables():
    """{quality: (64,)} as the library writes them, so that none is typed here."""
    pixel = Image.new("L", (8, 8))
    return {quality: np.array(Image.open(_jpg(pixel, quality)).quantization[0]) for quality in range(1, 101)}


def _jpg(image, quality):
    memory = BytesIO()
    image.save(memory, "JPEG", quality=quality)
    memory.seek(0)
    return memory
