"""Pictures as a camera or scanner meant them, whatever their kind of file."""

import numpy as np
from PIL import Image, ImageOps

COLOURED = 8  # of 255: mean distance of a pixel's largest from its smallest channel, above which a picture has colour
GREY_MODES = ("1", "L", "LA", "F", "I")


def is_coloured(image):
    """Whether an open PIL image shows colours: radiographs are often saved as RGB, with equal channels or nearly so."""
    if image.mode in GREY_MODES or image.mode.startswith("I"):
        return False
    image.draft("RGB", (64, 64))
    return shows_colour(np.asarray(image.convert("RGB").resize((64, 64)), int))


def shows_colour(pixels):
    """Whether the channels of pixels (H, W, 3), of 0 to 255, differ."""
    return bool((pixels.max(-1) - pixels.min(-1)).mean() > COLOURED)


def upright(image, channels=1):
    """An open PIL image upright, on black where it is transparent: one channel, which is luminance, or three, RGB.

    Mode "L" or "RGB" (8 bits), or "F" with the integers of a grey image of 16 bits. Raises ValueError for other depths.
    """
    if channels == 3 and image.mode.startswith("I"):
        raise ValueError("is grey with 16 bits, and the others are in colour")
    if image.mode.startswith("I"):
        return ImageOps.exif_transpose(image).convert("I").convert("F")
    if image.mode == "F":
        raise ValueError("has pixels of floating point, whose black and white are unknown")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")


def displayed(image):
    """An array (H, W) or (H, W, C) as it is shown: (H, W) grey, (H, W, 3) RGB, else the channels side by side."""
    if image.ndim == 2 or image.shape[-1] == 3:
        return image
    return np.concatenate(np.moveaxis(image, -1, 0), axis=1)


def as_16_bits(pixels):
    """Pixels of 16 bits (any shape), stretched where all of them together use 10, 12 or 14, as scanners write them."""
    bits = int(pixels.max(initial=0)).bit_length()
    return pixels * np.float32((2**16 - 1) / (2 ** max(10, bits + bits % 2) - 1)) if bits <= 14 else pixels
