"""Does an image show text? What its header says, what kind of image it is, and what a text detector reads in its
pixels.

No rule and no detector finds every name, and most of what they find is harmless (sides, positions, scales). So nobody
is told that pixels are clean: a suspect is held back until a person has looked at it.
"""

import csv
import functools
import os
import re
import subprocess
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
READER = "tesseract"
ONE_THREAD = {"OMP_THREAD_LIMIT": "1"}  # more only get into each other's way
READING = ["--psm", "11", "tsv"]  # words anywhere, in no order
CONFIDENCE = 60  # of tesseract, 0 to 100
LONGEST_SIDE = 1600  # of what is searched; for tesseract small images are enlarged, up to three times
FEW = 4  # pictures of lines: where one has words, the rest needs not be read
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
    reasons, found = from_header(dataset), [line for picture in pictures for line in lines(picture)]
    if found and not detector():
        return [*reasons, "marks like letters stand in line in its pixels"], ""
    text = _read(found)
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


def _read(lines):
    """The words in the first pictures of lines that hold any, FEW of them at a time."""
    return next(filter(None, (_read_together(lines[i : i + FEW]) for i in range(0, len(lines), FEW))), "")


def _read_together(lines):
    """The words in pictures, which one process reads: starting it takes as long as reading."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.pgm" for number in range(len(lines))]  # compressing takes as long as reading
        for file, line in zip(files, lines, strict=True):
            line.save(file)
        listed = Path(folder) / "lines.txt"
        listed.write_text("\n".join(map(str, files)))
        table = subprocess.run(
            [READER, listed, "stdout", *READING],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | ONE_THREAD,
        ).stdout
    read = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    found = {row["text"]: None for row in read if float(row["conf"]) >= CONFIDENCE and WORD.search(row["text"] or "")}
    return " ".join(found)


@functools.cache
def detector():
    """The name and version of the text detector, or "" where tesseract is not installed."""
    try:
        said = subprocess.run([READER, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(said.split()[:2])


def lines(picture):
    """PIL images to be read of (H, W) in [0, 1]: the rows around each line of LETTERS marks or more that have the size,
    shape and sharpness of letters, as they are and as strokes alone, black on white.
    """
    whole = Image.fromarray(np.asarray(picture, np.float32))
    small = _scaled(whole, min(1, LONGEST_SIDE / max(whole.size)))
    grey = np.rint(np.asarray(small) * LEVELS).astype(np.int16)
    bright = grey - _square(np.maximum, _square(np.minimum, grey))  # less its opening
    dark = _square(np.minimum, _square(np.maximum, grey)) - grey  # its closing, less it
    larger = min(3, LONGEST_SIDE / max(small.size))  # letters of a height that tesseract reads well
    return [
        _readable(view[band], larger)
        for strokes in (bright, dark)
        for band in _bands(_in_line(_marks(strokes)), len(grey))
        for view in (grey, LEVELS - strokes)
    ]


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
    """Those of LETTERS marks or more that follow each other from left to right: about as tall, on one base line, no
    further apart than tall.
    """
    boxes = boxes[np.argsort(boxes[:, 2])]
    bottom, left, right, height = boxes[:, 1], boxes[:, 2], boxes[:, 3], boxes[:, 1] - boxes[:, 0]
    before, length = np.full(len(boxes), -1), np.ones(len(boxes), int)
    for index in range(len(boxes)):
        gap = left[index] - right[:index]
        tall = height[:index]
        follows = (gap > -0.3 * tall) & (gap < 1.2 * tall) & (np.abs(bottom[index] - bottom[:index]) < 0.25 * tall)
        follows &= np.abs(height[index] - tall) < 0.45 * tall
        if follows.any():
            before[index] = np.where(follows, length[:index], 0).argmax()
            length[index] = length[before[index]] + 1
    in_line = length >= LETTERS
    for index in range(len(boxes))[::-1]:
        if in_line[index] and before[index] >= 0:
            in_line[before[index]] = True
    return boxes[in_line]


def _bands(boxes, height):
    """Slices of the rows around the marks, each mark in one of them: with less around it, fewer words are read."""
    near = np.zeros(height, bool)
    for top, bottom in boxes[:, :2]:
        near[max(0, 3 * top - 2 * bottom) : 3 * bottom - 2 * top] = True
    return [band for (band,) in ndimage.find_objects(ndimage.label(near)[0])]


def _readable(grey, scale):
    """A PIL image of 8 bits; enlarged before it is rounded, in which more words are read."""
    pixels = np.asarray(_scaled(Image.fromarray(np.float32(grey) / LEVELS), scale))
    return Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def _scaled(pixels, scale):
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
