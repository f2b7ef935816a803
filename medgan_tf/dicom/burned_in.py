"""Does an image show text? By what its header says, what kind of image it is, and what is read in its pixels.

No rule and no detector finds every name, and most of what they find is harmless (sides, positions, scales). So pixels
are never called clean: an image that may show text is held back until a person has looked at it.
"""

import csv
import functools
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

SCREENS = ("SCREEN SAVE", "SCREENSHOT", "SCREEN CAPTURE")
TEXT_MODALITIES = {  # modalities whose images usually have text burned in
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
TESSERACT = "tesseract"
CONFIDENCE = 60  # of tesseract, 0 to 100
LONGEST_SIDE = 1600  # pixels, of the image that is searched; for tesseract small images are enlarged up to three times
LINES_PER_CALL = 4  # images of lines that tesseract reads at once: where one has words, the rest need not be read
MIN_LETTERS = 3  # in a line
LETTER_HEIGHTS = (5, 64)  # pixels, smallest and largest
STROKE = 15  # pixels: the widest stroke of a letter
CONTRAST = 0.15  # of a stroke against its surroundings, as a fraction of the whole grey scale
LEVELS = 2**14  # grey levels while strokes are searched for; as int16 they leave room for overshoot of resampling
GROUPS = 4  # of frames; the brightest and the darkest image of each group are searched


@dataclass
class Extremes:
    """The brightest and the darkest value of each pixel over groups of frames: they show text of any one frame."""

    frame_count: int
    groups: dict = field(default_factory=dict)

    def add(self, index, image):
        """Add a frame as displayed, float32 (H, W) in [0, 1]."""
        group = index * min(GROUPS, self.frame_count) // self.frame_count
        bright, dark = self.groups.setdefault(group, (image, image))
        if bright is not image:
            self.groups[group] = np.maximum(bright, image), np.minimum(dark, image)

    def __iter__(self):
        for bright, dark in self.groups.values():
            yield bright
            if dark is not bright and not np.array_equal(bright, dark):
                yield dark


def suspicions(header, images):
    """Return (reasons, text): phrases that say why an image may show text, none for most, and the words that were read.

    images: float32 (H, W) each, in [0, 1], as displayed; `Extremes` reduces many frames to few. Lines of marks like
    letters are searched for first, which is quick. Where tesseract is installed it reads them, and only words count.
    """
    reasons, found = header_suspicions(header), [line for image in images for line in lines(image)]
    if found and not detector():
        return [*reasons, "marks like letters stand in line in its pixels"], ""
    text = _read_until_words(found)
    return [*reasons, "text was found in its pixels"] if text else reasons, text


def header_suspicions(header):
    """Return reasons to suspect burned-in text that follow from a Header alone.

    "NO" in Burned In Annotation overrules the kind of image, but not an overlay in unused bits of the pixels.
    Radiographs in public sets are usually secondary captures, so for them that alone is no reason.
    """
    reasons = ["its header says that annotation is burned in"] if header.burned_in_annotation == "YES" else []
    if header.hides_overlay:
        reasons.append("an overlay lies in unused bits of its pixels")
    if header.burned_in_annotation == "NO":
        return reasons
    if any(name in header.image_type for name in SCREENS):
        reasons.append("it is a screen capture")
    elif header.modality in RADIOGRAPHS:
        return reasons
    elif header.sop_class.startswith(SECONDARY_CAPTURE):
        reasons.append("it is a secondary capture")
    elif header.conversion_type in CAPTURES:
        reasons.append(f"it is {CAPTURES[header.conversion_type]}")
    elif header.modality in TEXT_MODALITIES:
        reasons.append(f"it is {TEXT_MODALITIES[header.modality]}")
    return reasons


def _read_until_words(lines):
    """Return the words in the first few images of lines that hold any."""
    parts = (lines[i : i + LINES_PER_CALL] for i in range(0, len(lines), LINES_PER_CALL))
    return next(filter(None, map(_read_together, parts)), "")


def _read_together(lines):
    """Return the words in images, read by one process: to start it takes as long as to read."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.pgm" for number in range(len(lines))]  # compression takes as long as reading
        for file, line in zip(files, lines, strict=True):
            line.save(file)
        listed = Path(folder) / "lines.txt"
        listed.write_text("\n".join(map(str, files)))
        command = [TESSERACT, listed, "stdout", "--psm", "11", "tsv"]  # words anywhere, in no order
        environment = os.environ | {"OMP_THREAD_LIMIT": "1"}  # files are read in parallel already
        table = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    read = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    found = {row["text"]: None for row in read if float(row["conf"]) >= CONFIDENCE and WORD.search(row["text"] or "")}
    return " ".join(found)


@functools.cache
def detector():
    """Return the name and version of the text detector, or "" where tesseract is not installed."""
    try:
        version = subprocess.run([TESSERACT, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    return " ".join(version.split()[:2])


def lines(image):
    """Return PIL images of the lines of an image (H, W) in [0, 1] that may be text, for tesseract to read.

    A line is MIN_LETTERS marks or more of the size, shape and sharpness of letters. Each is given twice: the rows
    around it as they are, and their strokes alone, black on white.
    """
    whole = Image.fromarray(np.asarray(image, np.float32))
    small = _scaled(whole, min(1, LONGEST_SIDE / max(whole.size)))
    grey = np.rint(np.asarray(small) * LEVELS).astype(np.int16)
    bright = grey - _square(np.maximum, _square(np.minimum, grey))  # white top-hat
    dark = _square(np.minimum, _square(np.maximum, grey)) - grey  # black top-hat
    larger = min(3, LONGEST_SIDE / max(small.size))  # enlarges letters to a height that tesseract reads well
    return [
        _readable(view[band], larger)
        for strokes in (bright, dark)
        for band in _bands(_in_line(_marks(strokes)), len(grey))
        for view in (grey, LEVELS - strokes)
    ]


def _square(extreme, grey):
    """The minimum or the maximum of the STROKE x STROKE pixels around each, cut off at the border.

    Extremes of 2, 4 and 8 neighbours combine to those of any number, in a few quick passes over arrays of integers.
    """
    for _ in range(2):
        wide, reach = np.pad(grey, ((STROKE // 2, STROKE // 2), (0, 0)), "edge"), 1
        while 2 * reach < STROKE:
            wide, reach = extreme(wide[:-reach], wide[reach:]), 2 * reach
        grey = extreme(wide[: reach - STROKE], wide[STROKE - reach :]).T
    return grey


def _marks(strokes):
    """Boxes (n, 4), top, bottom, left, right, of what stands out from its surroundings and has the size of a letter."""
    stands_out = strokes > CONTRAST * LEVELS
    places = np.flatnonzero(stands_out)
    if len(places) < MIN_LETTERS * LETTER_HEIGHTS[0]:
        return np.zeros((0, 4), int)
    labelled, count = ndimage.label(stands_out, np.ones((3, 3), bool))
    mark, (row, column) = labelled.ravel()[places], np.divmod(places, labelled.shape[1])
    top, bottom = np.zeros((2, count + 1), int)
    top[mark[::-1]], bottom[mark] = row[::-1], row + 1  # places are sorted by row, and the last assignment wins
    tall = bottom - top >= LETTER_HEIGHTS[0]
    # Noise is thousands of marks, none of them tall: drop them before the slower pass over columns.
    mark, column = mark[tall[mark]], column[tall[mark]]
    left, right = np.full(count + 1, labelled.shape[1]), np.zeros(count + 1, int)
    np.minimum.at(left, mark, column)
    np.maximum.at(right, mark, column + 1)
    boxes = np.stack([top, bottom, left, right], axis=1)[tall]
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    return boxes[(height <= LETTER_HEIGHTS[1]) & (width <= 2.5 * height) & (width >= 0.08 * height)]


def _in_line(boxes):
    """Boxes in lines of MIN_LETTERS or more: of similar height, on one base line, with small gaps."""
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
    in_line = length >= MIN_LETTERS
    for index in range(len(boxes))[::-1]:
        if in_line[index] and before[index] >= 0:
            in_line[before[index]] = True
    return boxes[in_line]


def _bands(boxes, height):
    """Slices of rows around the marks, each mark in one of them; tesseract needs some margin to read words."""
    near = np.zeros(height, bool)
    for top, bottom in boxes[:, :2]:
        near[max(0, 3 * top - 2 * bottom) : 3 * bottom - 2 * top] = True
    return [band for (band,) in ndimage.find_objects(ndimage.label(near)[0])]


def _readable(grey, scale):
    """A PIL image of 8 bits, enlarged before it is rounded, because then tesseract reads more words."""
    pixels = np.asarray(_scaled(Image.fromarray(np.float32(grey) / LEVELS), scale))
    return Image.fromarray(np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))


def _scaled(pixels, scale):
    return pixels.resize([max(1, round(side * scale)) for side in pixels.size], Image.Resampling.BICUBIC)
