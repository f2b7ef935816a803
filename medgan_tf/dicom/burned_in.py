"""Does an image show text? What its header says, what kind of image it is, and what a text detector reads in its
pixels.

No rule and no detector finds every name, and most of what they find is harmless (sides, positions, scales). So nobody
is told that pixels are clean: a suspect is held back until a person has looked at it.
"""

import functools
import re
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

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
LONGEST_SIDE = 1600  # of what is searched; for tesseract small images are enlarged, up to three times
LETTERS = 3  # in a line
HEIGHTS = (5, 64)  # of a letter in pixels
STROKE = 15  # pixels: wider is no stroke
CONTRAST = 0.15  # of a stroke against its surroundings, of the whole grey scale
LEVELS = 2**14  # of grey from black to white while strokes are searched for, as int16: resampling overshoots
GROUPS = 4  # of frames; the detector sees the brightest and the darkest of each group


class Extremes:
    """The brightest and the darkest of each pixel over groups of frames, so that writing on any one frame is seen."""

    def __init__(self, frames):
        self.frames, self.groups = frames, {}

    def add(self, index, picture):
        """Take a frame, float32 (H, W) in [0, 1], as displayed."""
        group = index * min(GROUPS, self.frames) // self.frames
        bright, dark = self.groups.setdefault(group, (picture, picture))
        if bright is not picture:
            self.groups[group] = np.maximum(bright, picture), np.minimum(dark, picture)

    def __iter__(self):
        for bright, dark in self.groups.values():
            yield bright
            if dark is not bright and not np.array_equal(bright, dark):
                yield dark


def suspicions(dataset, pictures):
    """(reasons, text): phrases that say why the image may show text, none for most, and the words that were read.

    pictures: float32 (H, W) each, in [0, 1], as displayed; `Extremes` makes few of many frames. Lines of marks like
    letters are searched for first, which is quick, and read where tesseract is installed; else they are reason enough.
    """
    reasons, suspects = from_header(dataset), [views for views in map(_views, pictures) if len(views) > 1]
    if suspects and not detector():
        return [*reasons, "marks like letters stand in line in its pixels"], ""
    text = _read([view for views in suspects for view in views])
    return [*reasons, "text was found in its pixels"] if text else reasons, text


def from_header(dataset):
    """Reasons to suspect burned-in text without a look at the pixels.

    A header that says NO takes the suspicion from a kind of image, not from an overlay in the pixels' unused bits.
    Radiographs in public sets are secondary captures as a rule, so that alone does not count against one.
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
    elif modality in RADIOGRAPHS:
        return reasons
    elif str(dataset.get("SOPClassUID") or "").startswith(SECONDARY_CAPTURE):
        reasons.append("it is a secondary capture")
    elif conversion in CAPTURES:
        reasons.append(f"it is {CAPTURES[conversion]}")
    elif modality in KINDS:
        reasons.append(f"it is {KINDS[modality]}")
    return reasons


def words(pictures):
    """The words that tesseract reads in pictures, joined by spaces."""
    return _read([view for picture in pictures for view in _views(picture)])


def _read(views):
    """The words in all views, which one process reads: starting it takes as long as reading."""
    if not views:
        return ""
    import pytesseract

    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.pgm" for number in range(len(views))]  # compressing takes as long as reading
        for file, view in zip(files, views, strict=True):
            _as_read(view).save(file)
        listed = Path(folder) / "views.txt"
        listed.write_text("\n".join(map(str, files)))
        read = pytesseract.image_to_data(
            str(listed),
            config="--psm 11",  # words anywhere, in no order
            output_type=pytesseract.Output.DICT,
        )
    found = {
        word: None
        for word, confidence in zip(read["text"], read["conf"], strict=True)
        if float(confidence) >= CONFIDENCE and WORD.search(word)
    }
    return " ".join(found)


@functools.cache
def detector():
    """The name and version of the text detector, or "" where tesseract is not installed."""
    import pytesseract

    try:
        return f"tesseract {str(pytesseract.get_tesseract_version()).split()[0]}"
    except (pytesseract.TesseractNotFoundError, OSError, SystemExit):
        return ""


def has_letters(picture):
    """Whether three marks or more of the size, shape and sharpness of letters stand in a line in (H, W) in [0, 1]."""
    return len(_views(picture)) > 1


def _views(picture):
    """What is to be read: the picture, and its bright and its dark strokes as pictures of their own, black on white,
    where such a line is among them.
    """
    small = np.asarray(_resized(Image.fromarray(np.asarray(picture, np.float32)), 1))
    grey = np.rint(small * LEVELS).astype(np.int16)
    bright = grey - _square(np.maximum, _square(np.minimum, grey))  # less its opening
    dark = _square(np.minimum, _square(np.maximum, grey)) - grey  # its closing, less it
    return [picture, *(1 - strokes / LEVELS for strokes in (bright, dark) if _in_line(_marks(strokes)))]


def _square(extreme, grey):
    """The minimum or the maximum of the STROKE x STROKE pixels around each, of those that there are.

    Those of 2, 4 and 8 neighbours make that of any number: a few passes of whole arrays, on integers the quickest.
    """
    for _ in range(2):
        wide, reach = np.pad(grey, ((STROKE // 2, STROKE // 2), (0, 0)), "edge"), 1
        while 2 * reach < STROKE:
            wide, reach = extreme(wide[:-reach], wide[reach:]), 2 * reach
        grey = extreme(wide[: reach - STROKE], wide[STROKE - reach :]).T
    return grey


def _marks(strokes):
    """(n, 4) top, bottom, left, right of what stands out from its surroundings and has the size of a letter."""
    stands_out = strokes > CONTRAST * LEVELS
    places = np.flatnonzero(stands_out)
    if len(places) < LETTERS * HEIGHTS[0]:
        return np.zeros((0, 4), int)
    labelled, count = ndimage.label(stands_out, np.ones((3, 3), bool))
    mark, (row, column) = labelled.ravel()[places], np.divmod(places, labelled.shape[1])
    top, bottom = np.zeros((2, count + 1), int)
    top[mark[::-1]], bottom[mark] = row[::-1], row + 1  # places are in order of rows, and the last assignment stays
    tall = bottom - top >= HEIGHTS[0]
    # Noise is thousands of marks, none of them tall: only what is left is looked at pixel by pixel.
    mark, column = mark[tall[mark]], column[tall[mark]]
    left, right = np.full(count + 1, labelled.shape[1]), np.zeros(count + 1, int)
    np.minimum.at(left, mark, column)
    np.maximum.at(right, mark, column + 1)
    boxes = np.stack([top, bottom, left, right], axis=1)[tall]
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    return boxes[(height <= HEIGHTS[1]) & (width <= 2.5 * height) & (width >= 0.08 * height)]


def _in_line(boxes):
    """Whether LETTERS marks follow each other from left to right: about as tall, on one base line, no further apart
    than tall.
    """
    boxes = boxes[np.argsort(boxes[:, 2])]
    bottom, left, right, height = boxes[:, 1], boxes[:, 2], boxes[:, 3], boxes[:, 1] - boxes[:, 0]
    length = np.ones(len(boxes), int)
    for index in range(len(boxes)):
        gap = left[index] - right[:index]
        tall = height[:index]
        follows = (gap > -0.3 * tall) & (gap < 1.2 * tall) & (np.abs(bottom[index] - bottom[:index]) < 0.25 * tall)
        follows &= np.abs(height[index] - tall) < 0.45 * tall
        length[index] += length[:index][follows].max(initial=0)
        if length[index] == LETTERS:
            return True
    return False


def _as_read(picture):
    """A PIL image of 8 bits whose letters have a height that tesseract reads well."""
    return _resized(Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)), 3)


def _resized(pixels, largest_scale):
    scale = min(largest_scale, LONGEST_SIDE / max(pixels.size))
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
