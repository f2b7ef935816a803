"""Pictures as a camera or scanner meant them, whatever their kind of file."""

import numpy as np
from PIL import Image, ImageOps


def upright_grey(image):
    """An open PIL image upright and as luminance, on black where it is transparent, as viewers of radiographs do.

    Mode "L" (8 bits), or "F" with the integers of an image of 16 bits. Raises ValueError for other depths.
    """
    if image.mode.startswith("I"):
        return ImageOps.exif_transpose(image).convert("I").convert("F")
    if image.mode == "F":
        raise ValueError("has pixels of floating point, whose black and white are unknown")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return ImageOps.exif_transpose(image).convert("L")


def as_16_bits(pixels):
    """Pixels of 16 bits (any shape), stretched where all of them together use 10, 12 or 14, as scanners write them."""
    bits = int(pixels.max(initial=0)).bit_length()
    return pixels * np.float32((2**16 - 1) / (2 ** max(10, bits + bits % 2) - 1)) if bits <= 14 else pixels
