"""Does an image show text? By what its header says, what kind of image it is, and what is read in its pixels.

No rule and no detector finds every name, and most of what they find is harmless (sides, positions, scales). So pixels
are never called clean: an image that may show text is held back until a person has looked at it.
"""

import functools
import re
from itertools import chain

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
WORD = re.compile(r"[^\W_]{3,}|(?:[^\W_]\W*){4,}")  # a side marker or an arrow is not a word; a cut date is
CONFIDENCE = 0.7  # of the reader, 0 to 1
LONGEST_SIDE = 1600  # pixels, of the image that is searched
SMALL = 640  # pixels: a part of an image with no longer side is enlarged, because letters of 10 pixels are read badly
CONTRAST = 38  # of 255 grey levels, from one side of a stroke to the other
BLOCK = 8  # pixels: strokes are counted in blocks of so many rows and columns
STROKES = 2  # in each row of three blocks side by side: lines of letters have more, ribs and vessels seldom
SCALES = (1, 2, 4)  # the image is reduced by these factors, so that strokes of large letters are near each other too
GROUPS = 4  # of the frames of a file
MARGIN = 2  # blocks around strokes


class Extremes:
    """The brightest and the darkest value of each pixel over groups of images: they show text of any one of them.

    group: largest number of images in a group; all have one shape.
    """

    def __init__(self, group):
        self.group, self.count, self.pairs = group, 0, []

    @classmethod
    def of_frames(cls, count):
        """For the frames of one file, however many: in GROUPS groups at most."""
        return cls(-(-count // GROUPS))

    def add(self, image):
        """Add an image as displayed, float32 (H, W) in [0, 1]."""
        if self.count % self.group == 0:
            self.pairs.append((image, image))
        else:
            bright, dark = self.pairs[-1]
            self.pairs[-1] = np.maximum(bright, image), np.minimum(dark, image)
        self.count += 1

    def __iter__(self):
        for bright, dark in self.pairs:
            yield bright
            if dark is not bright and not np.array_equal(bright, dark):
                yield dark


def suspicions(header, images):
    """Return (reasons, text): phrases that say why an image may show text, none for most, and the words that were read.

    images: float32 (H, W) each, in [0, 1], as displayed; `Extremes` reduces many frames to few.
    """
    text = next(filter(None, map(read_text, images)), "")
    return header_suspicions(header) + ["text was found in its pixels"] * bool(text), text


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


def read_text(image):
    """Return the first words that are read in an image (H, W) in [0, 1], or ""."""
    return next(filter(None, map(_words, chain.from_iterable(map(_lines, _parts_like_text(image))))), "")


def _lines(part):
    """PIL images of the lines of text in one."""
    if max(part.size) < SMALL:
        part = part.resize([2 * side for side in part.size], Image.Resampling.BICUBIC)
    boxes = _read(part, use_det=True, use_rec=False).boxes
    for corners in [] if boxes is None else boxes:
        yield part.crop((*np.floor(corners.min(axis=0)), *np.ceil(corners.max(axis=0))))


def _words(line):
    """What is read in a PIL image of one line, where it is words and read with confidence; else ""."""
    found = _read(line, use_det=False, use_rec=True)
    read = zip(found.txts or (), found.scores or (), strict=True)
    return " ".join(text for text, confidence in read if confidence >= CONFIDENCE and WORD.search(text))


def _read(picture, **steps):
    """What the reader finds; steps: all of them each time, since it keeps those of the last call."""
    return _reader()(np.asarray(picture.convert("RGB")), use_cls=False, **steps)


@functools.cache
def _reader():
    """RapidOCR, whose package brings its models. It has one thread, since files are read in parallel already."""
    from rapidocr import RapidOCR  # takes a second, and most images have no part to read

    settings = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    settings |= {"Global.log_level": "critical", "Det.limit_type": "max", "Det.limit_side_len": LONGEST_SIDE}
    return RapidOCR(params=settings)


def _parts_like_text(image):
    """PIL images of the parts of an image (H, W) in [0, 1] that have as many strokes side by side as lines of letters.

    This takes milliseconds and reading far longer, and most radiographs have no such part.
    """
    whole = Image.fromarray(np.rint(np.asarray(image) * 255).astype(np.uint8))
    if max(whole.size) > LONGEST_SIDE:
        whole.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX, reducing_gap=None)
    near = np.zeros([-(-side // BLOCK) for side in whole.size[::-1]], bool)
    for scale in SCALES:
        strokes = _strokes_per_row(np.asarray(whole.reduce(scale)))
        if (strokes >= STROKES).any():
            around = ndimage.maximum_filter(strokes, 2 * MARGIN + 1) >= STROKES
            around = around.repeat(scale, 0).repeat(scale, 1)[: near.shape[0], : near.shape[1]]
            near[: around.shape[0], : around.shape[1]] |= around
    parts = ndimage.find_objects(ndimage.label(near, np.ones((3, 3)))[0])
    boxes = [[BLOCK * edge for edge in (columns.start, rows.start, columns.stop, rows.stop)] for rows, columns in parts]
    if sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) > whole.width * whole.height / 2:
        return [whole]
    return [
        whole.crop((left, top, min(right, whole.width), min(bottom, whole.height)))
        for left, top, right, bottom in boxes
    ]


def _strokes_per_row(grey):
    """(blocks down, blocks across): strokes in a row of a block and its two neighbours, of grey levels (H, W) uint8.

    A stroke has an edge that rises and one that falls; the edge of an organ has one of them.
    """
    rows, columns = (max(0, side) // BLOCK for side in (grey.shape[0], grey.shape[1] - 3))
    left, right, counts = grey[:, :-2], grey[:, 2:], []
    for low, high in ((left, right), (right, left)):
        edge = high > np.minimum(low, 255 - CONTRAST) + np.uint8(CONTRAST)
        begins = np.ascontiguousarray((edge[:, 1:] > edge[:, :-1])[: rows * BLOCK, : columns * BLOCK])
        in_row = np.bitwise_count(begins.view(np.uint64))  # the eight columns of a block at once
        counts.append(in_row.reshape(rows, BLOCK, columns).sum(axis=1, dtype=np.uint8))
    fewer = np.pad(np.minimum(*counts).astype(np.float32), ((0, 0), (1, 1)))
    return (fewer[:, :-2] + fewer[:, 1:-1] + fewer[:, 2:]) / BLOCK
