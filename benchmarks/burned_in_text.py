"""Text in pixels: how much of planted text `dicom` finds, and how many clean images it takes for text.

Clean images: one of each different file of --data whose pixels show no words (those in WITH_WORDS do; of ultrasound the
middle alone, where none stands). On each, a name, a date, a number or a hospital is written once in each size, white
or black, anywhere, over tissue too. Slices are searched one by one here; a conversion searches a series together.
"""

from collections import defaultdict
from itertools import chain
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import interleaved_timing
from medgan_tf import dicom, intervals
from medgan_tf.dicom import burned_in

SIZES = (10, 12, 16, 24, 40)  # of the font, in pixels; letters have two thirds of it
TEXTS = ("MILLER ANNA", "1957-03-12", "St. Mary's", "Schmidt", "ID 4711382")
FONTS = [
    f"{matplotlib.get_data_path()}/fonts/ttf/{name}.ttf"
    for name in ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif-Bold")
]
KINDS = {"CT": "CT", "MR": "MR", "US": "ultrasound"} | dict.fromkeys((*burned_in.RADIOGRAPHS, "RG"), "X-ray")
WITH_WORDS = ("MG_Explicit_Little.dcm", "SC1_J2KI", "MG1_J2KI")
LARGEST = 6 * 2**20  # bytes of a file


def clean_images(folder):
    """{kind: images (H, W) in [0, 1]} of the DICOM files below a folder."""
    images, seen = defaultdict(list), set()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < LARGEST):
        try:
            header = dicom.Header.of(dicom.parsing.parse(path))
            image = dicom.read_image(header)
        except Exception:  # the folder holds broken files too
            continue
        kind = KINDS.get(header.modality)
        image = image[len(image) // 2] if image.ndim == 3 else image
        if kind == "ultrasound":
            height, width = image.shape
            image = image[height // 3 : height * 2 // 3, width // 3 : width * 2 // 3]
        same = (image.shape, round(float(image.mean()), 3))
        if kind and path.name not in WITH_WORDS and min(image.shape) >= 120 and same not in seen:
            seen.add(same)
            images[kind].append(image)
    return images


def planted(image, text, size, seed):
    """The image with a text somewhere, or None where it is too narrow."""
    draws = np.random.default_rng(seed)
    picture = Image.fromarray(np.uint8(np.clip(image, 0, 1) * 255))
    font = ImageFont.truetype(FONTS[seed % len(FONTS)], size)
    width = int(ImageDraw.Draw(picture).textlength(text, font=font))
    if width > picture.width or 1.3 * size > picture.height:
        return None
    x, y = (int(draws.integers(room + 1)) for room in (picture.width - width, int(picture.height - 1.3 * size)))
    behind = np.asarray(picture)[y : y + size, x : x + width]
    ImageDraw.Draw(picture).text((x, y), text, fill=255 if behind.mean() < 128 else 0, font=font)
    return np.asarray(picture, np.float32) / 255


def rate(what, hits):
    """A row: a share with Wilson's interval."""
    found = intervals.proportion(hits)
    return interleaved_timing.measured(what, found["value"], "of images", [found["low"], found["high"]], n=len(hits))


def main():
    """Measure each kind of image and each size."""
    parser = interleaved_timing.parser(__doc__, rounds=1)
    parser.add_argument("--data", type=Path, default=interleaved_timing.ROOT.parent / "shared" / "data" / "dicom")
    options = parser.parse_args()
    rows, found, taken = [], defaultdict(list), []
    for kind, images in sorted(clean_images(options.data).items()):
        clean = [bool(burned_in.read_text(image)) for image in images]
        taken += clean
        rows.append(rate(f"{kind}: clean images taken for text", clean))
        for size in SIZES:
            written = [planted(image, TEXTS[n % 5], size, 7 * n + size) for n, image in enumerate(images)]
            hits = [bool(burned_in.read_text(image)) for image in written if image is not None]
            found[size] += hits
            rows.append(rate(f"{kind}, text of {size} pixels: found", hits))
    if rows:
        rows += [rate(f"all, text of {size} pixels: found", found[size]) for size in SIZES]
        rows.append(rate("all: text found", list(chain.from_iterable(found.values()))))
        rows.append(rate("all: clean images taken for text", taken))
    else:
        rows.append({"what": "text found", "status": interleaved_timing.NOT_RUN})
    interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
