"""Does an image show text? What its header says, what kind of image it is, and what a text detector reads in its pixels.

No rule and no detector finds every name, and most of what they find is harmless (sides, positions, scales). So nobody is
told that pixels are clean: a suspect is held back until a person has looked at it.
"""

import functools
import re

import numpy as np
from PIL import Image

from .greyscale import number

SCREENS = ("SCREEN SAVE", "SCREENSHOT", "SCREEN CAPTURE")
KINDS = {  # kinds of images that usually have text burned in, by Modality
    "US": "an ultrasound image",
    "ES": "an endoscopy image",
    "SC": "a secondary capture",
    "OT": "of modality OT",
    "XC": "a photograph",
    "DOC": "a document",
}
CAPTURES = {"DV": "digitised video", "SD": "a scanned document", "SI": "a scanned image", "DF": "a digitised film"}
CAPTURES |= {"WSD": "made on a workstation", "DRW": "a drawing"}
RADIOGRAPHS = ("CR", "DX", "MG", "PX", "IO")
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
WORD = re.compile(r"[^\W_]{3,}")  # a side marker or an arrow is not a word
CONFIDENCE = 60  # of tesseract, 0 to 100
LONGEST_SIDE = 1600  # of what the detector sees; small images are enlarged, up to three times
GROUPS = 4  # of frames; the detector sees the brightest and the darkest of each group


class Extremes:
    """The brightest and the darkest of each pixel over groups of frames, so that writing on any one frame is seen."""

    def __init__(self, frames):
        self.frames, self.groups = frames, {}

    def add(self, index, picture):
        """Take a frame, float32 (H, W) in [0, 1], as displayed."""
        group = index * min(GROUPS, self.frames) // self.frames
        bright, dark = self.groups.get(group, (picture, picture))
        self.groups[group] = np.maximum(bright, picture), np.minimum(dark, picture)

    def __iter__(self):
        for bright, dark in self.groups.values():
            yield bright
            if dark is not bright and not np.array_equal(bright, dark):
                yield dark


def suspicions(dataset, pictures):
    """(reasons, text): phrases that say why the image may show text, none for most, and the words that were read.

    pictures: float32 (H, W) each, in [0, 1], as displayed; `Extremes` makes few of many frames. Where tesseract is not
    installed the header alone decides; see `detector`.
    """
    reasons = from_header(dataset)
    text = words(pictures)
    if text:
        reasons.append("text was found in its pixels")
    return reasons, text


def from_header(dataset):
    """Reasons to suspect burned-in text without a look at the pixels.

    A header that says NO takes the suspicion from a kind of image, not from an overlay in the pixels' unused bits. Public
    radiographs are secondary captures as a rule: these are suspects only where no detector looks at their pixels.
    """
    stated = str(dataset.get("BurnedInAnnotation") or "").strip().upper()
    reasons = ["its header says that annotation is burned in"] if stated == "YES" else []
    if any(_hides_overlay(dataset, group) for group in range(0x6000, 0x6020, 2)):
        reasons.append("an overlay lies in unused bits of its pixels")
    if stated == "NO":
        return reasons
    image_type = " ".join(str(value) for value in _values(dataset, "ImageType")).upper()
    modality, conversion = (str(dataset.get(word) or "").strip() for word in ("Modality", "ConversionType"))
    if any(name in image_type for name in SCREENS):
        reasons.append("it is a screen capture")
    elif modality in RADIOGRAPHS and detector():
        return reasons
    elif str(dataset.get("SOPClassUID") or "").startswith(SECONDARY_CAPTURE):
        reasons.append("it is a secondary capture")
    elif conversion in CAPTURES:
        reasons.append(f"it is {CAPTURES[conversion]}")
    elif modality in KINDS:
        reasons.append(f"it is {KINDS[modality]}")
    return reasons


def words(pictures):
    """The words that tesseract reads in pictures, joined by spaces; "" where it is not installed."""
    if not detector():
        return ""
    import pytesseract

    found = {}
    for picture in pictures:
        read = pytesseract.image_to_data(
            _as_read(picture),
            config="--psm 11",  # words anywhere, in no order
            output_type=pytesseract.Output.DICT,
        )
        for word, confidence in zip(read["text"], read["conf"], strict=True):
            if float(confidence) >= CONFIDENCE and WORD.search(word):
                found[word] = None
    return " ".join(found)


@functools.cache
def detector():
    """The name and version of the text detector, or "" where tesseract is not installed."""
    import pytesseract

    try:
        return f"tesseract {str(pytesseract.get_tesseract_version()).split()[0]}"
    except (pytesseract.TesseractNotFoundError, OSError, SystemExit):
        return ""


def _as_read(picture):
    """A PIL image of 8 bits whose letters have a height that tesseract reads well."""
    pixels = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    scale = min(3, LONGEST_SIDE / max(pixels.size))
    return pixels.resize([max(1, round(side * scale)) for side in pixels.size], Image.Resampling.BICUBIC)


def _hides_overlay(dataset, group):
    """Whether an overlay plane lies in PixelData, as it could before 2004 (PS3.5 section 8.1.2)."""
    position, allocated = (group << 16 | element for element in (0x0102, 0x0100))
    return (
        position in dataset
        and allocated in dataset
        and (group << 16 | 0x3000) not in dataset
        and number(dataset, "BitsAllocated", 0) > number(dataset, "BitsStored", 0)
    )


def _values(dataset, keyword):
    value = dataset.get(keyword) or []
    return [value] if isinstance(value, str) else value
