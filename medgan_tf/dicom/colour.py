"""Colour pixels as RGB or luminance, also where header and compressed stream disagree about the colour space."""

import re

import numpy as np
from pydicom.pixels import apply_color_lut
from pydicom.uid import JPEGBaseline8Bit

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G, B (ITU-R BT.601, the Y of YBR_FULL)
# Start of frame with three components: their names and how often they are sampled (ITU-T T.81, B.2.2)
FRAME = re.compile(rb"\xff[\xc0\xc1]\x00\x11\x08....\x03(.)(.).(.)(.).(.)(.).", re.DOTALL)
ADOBE = re.compile(rb"\xff\xee\x00\x0eAdobe")  # with it Pillow converts to RGB, whatever is stored
JFIF = re.compile(rb"\xff\xe0..JFIF", re.DOTALL)  # always YCbCr
UNRELATED, EQUAL = 0.5, 0.9  # correlations of the planes: chroma with luma, and red with green and blue
GREY = 48  # chroma planes of medical images are mostly so near to 128, which is grey


def luminance(pixels):
    """float32 (H, W) of what `rgb` returns."""
    return np.clip(pixels @ LUMINANCE, 0, 1)


def rgb(header, stored, properties):
    """Colour (H, W, 3) or palette indices (H, W) to float32 (H, W, 3) in [0, 1]."""
    if stored.ndim == 2:
        stored = apply_color_lut(stored, header.dataset)[..., :3]
        bits = _palette_bits(header.dataset, stored.dtype)
    else:
        bits = properties["bits_stored"]
    return np.clip(stored / np.float32(2.0**bits - 1), 0, 1).astype(np.float32)


def _palette_bits(dataset, dtype):
    """Bits of the entries of a palette, at least 8: what the header says of them is often wrong."""
    tables = (dataset.get(f"{colour}PaletteColorLookupTableData") for colour in ("Red", "Green", "Blue"))
    entries = [np.frombuffer(table, dtype).max() for table in tables if table]
    return max(8, int(max(entries)).bit_length()) if entries else 8 * dtype.itemsize


def of_stream(header, decoder, options):
    """The option of pydicom's decoder that names the colour space of 8-bit JPEG as it comes out of the decoder.

    Empty where header and stream agree, or where nothing in the stream speaks against the header.
    """
    data = header.dataset.get("PixelData") or b""
    frame = FRAME.search(data) if header.transfer_syntax == JPEGBaseline8Bit and header.is_colour else None
    if not frame:
        return {}
    start = data[: frame.start()]
    names, sampling = frame.groups()[::2], frame.groups()[1::2]
    if ADOBE.search(start) or b"".join(names) in (b"RGB", b"rgb"):
        return {"photometric_interpretation": "RGB"}
    if JFIF.search(start) or len(set(sampling)) > 1:
        return {"photometric_interpretation": "YBR_FULL"}
    first, *others = np.moveaxis(decoder.as_array(header.dataset, index=0, raw=True, **options)[0], -1, 0)
    alike = min(_correlation(first, other) for other in others)
    grey = max(abs(np.median(other) - 128) for other in others) < GREY
    if header.photometric == "RGB" and alike < UNRELATED and grey:
        return {"photometric_interpretation": "YBR_FULL"}
    return {"photometric_interpretation": "RGB"} if alike > EQUAL else {}


def _correlation(one, other):
    one, other = (each - each.mean() for each in (one.astype(float), other.astype(float)))
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale else 0.0
