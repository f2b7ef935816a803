"""Convert folders of DICOM into images with pseudonymous names, a manifest, and reasons for the rest.

An output folder NAME holds `images/<class>/<name>`, `convert.json` (the settings) and `manifest.csv` (one row per
image), which is written last: where it exists, the conversion is complete. Beside it, NAME.private holds what names
source files and stays where these are: `rejected.csv` and `review.csv` (see `review`) and `progress.jsonl` (`journal`).
"""

import csv
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from medgan_tf.config import sides
from medgan_tf.dicom import journal
from medgan_tf.dicom.batch import Batch
from medgan_tf.dicom.convert_file import ConversionSettings, convert_file
from medgan_tf.dicom.find_files import find_files
from medgan_tf.dicom.grey_levels import WINDOWS, automatic_window
from medgan_tf.dicom.image_files import SUFFIXES
from medgan_tf.dicom.pseudonyms import load_key, pseudonym
from medgan_tf.dicom.review import cleared_files, describe_sheets, write_sheets
from medgan_tf.sources import last_splits, read_labels

COLUMNS = [
    *("file", "class", "patient", "study", "series", "modality"),
    *("width", "height", "window", "source_sha256", "split"),
]


@dataclass
class Report:
    """What `convert` did: numbers of images, of rejected files or frames and of files held back, images per class."""

    converted: int
    rejected: int
    held_back: int
    seconds: float
    manifest: Path
    classes: dict = field(default_factory=dict)

    def __str__(self):
        classes = ", ".join(f"{name} {count}" for name, count in self.classes.items()) or "no class"
        return f"{self.converted} images from DICOM in {self.seconds:.1f} s ({classes}); {describe_sheets(self)}"


def convert(sources, out_dir, image_size=256, format="jpg", window="auto", crop=False, labels=None, workers=None):
    """Convert the DICOM files in `sources` to grey images of one size in `out_dir`; return a Report.

    sources: one or several folders (searched recursively) or files; DICOM is recognised by content.
    image_size: a square's side in pixels, or (height, width). The whole image fits in, padded with black; with `crop`
        it fills all, and what is outside is cut off evenly.
    format: "jpg" (8 bit, quality 95), "png" (8 bit) or "png16".
    window: as in `dicom.read_image`; automatic windows are those of a whole series, not of one slice. Three names, such
        as ("lung", "soft_tissue", "bone"), make three channels of one image.
    labels: a CSV with columns class and either file (path relative to its source) or patient (Patient ID), or "none"
        for one class. Without it, folders say the class, and the split where they are named so (see `sources.places`).
    workers: files processed at a time; by default one per core. joblib's `parallel_config` may move the work
        elsewhere, for example to a Dask cluster.

    A rerun does only what is missing. Raises FileNotFoundError or ValueError for sources, settings or labels
    that cannot be used, and OSError where `out_dir` cannot be written to (what is done is kept).

    >>> report = convert("hospital/export", "outputs/images", image_size=128)
    """
    start = time.monotonic()
    out_dir = Path(out_dir)
    settings = _settings(out_dir, image_size, format, window, crop, labels)
    files = find_files(sources, out_dir, labels)
    with journal.explain_write_errors(out_dir):
        journal.refuse_other_settings(out_dir / "convert.json", _stated(settings, labels))
        with Batch(convert_file, settings, workers) as batch:
            used = {path: (place.class_name, None) for path, place in files.items() if not place.left_out}
            records = batch.run_with_listed(used)
            shown_alike = batch.run(_with_window_of_series(records))
            records |= {path: records[path] | record for path, record in shown_alike.items()}
        split_of, others = _earlier(out_dir / "manifest.csv")
        for path, place in files.items():
            if place.left_out:
                records[path] = {"rows": [], "rejected": [place.left_out]}
            for row in records[path]["rows"]:
                drawn = place.split in ("", "train") and split_of.get(row["patient"])  # validation is drawn from train
                row["split"] = drawn or place.split
        rows = [row for record in records.values() for row in record["rows"]]
        split_of = last_splits((row["patient"], row["split"]) for row in rows)
        for row in rows:
            row["split"] = split_of[row["patient"]]
        rows, rejected, held_back = write_sheets(records, COLUMNS, settings, "images/*/*", others)
    classes = dict(sorted(Counter(row["class"] for row in rows).items()))
    seconds = time.monotonic() - start
    return Report(len(rows), rejected, held_back, seconds, out_dir / "manifest.csv", classes)


def _settings(out_dir, image_size, format, window, crop, labels):
    """Check the arguments and gather them."""
    if format not in SUFFIXES:
        raise ValueError(f"The format is one of {', '.join(SUFFIXES)}, not '{format}'.")
    if not all(1 <= side <= 8192 for side in sides(image_size)):
        raise ValueError(f"The image size is 1 to 8192 pixels, not {image_size}.")
    numbers = isinstance(window, (tuple, list)) and all(isinstance(each, (int, float)) for each in window)
    pair = numbers and len(window) == 2 and window[1] >= 1
    several = isinstance(window, (tuple, list)) and len(window) == 3 and all(name in WINDOWS for name in window)
    if not (pair or several or isinstance(window, int) or window == "auto" or window in WINDOWS):
        raise ValueError(
            f"The window is auto, a number, one or three of {', '.join(WINDOWS)}, or a pair (center, width) "
            f"with width 1 or more, not {window!r}."
        )
    if several and format == "png16":
        raise ValueError("A PNG of 16 bits holds one channel: choose format png for three windows.")
    by_patient = labels not in (None, "none") and read_labels(Path(labels))[0] == "patient"
    return ConversionSettings(
        out_dir=out_dir.absolute(),
        key=load_key(),
        image_size=image_size,
        format=format,
        window=tuple(window) if pair or several else window,
        crop=crop,
        patient_labels=Path(labels).absolute() if by_patient else None,
        cleared=cleared_files(out_dir),
    )


def _stated(settings, labels):
    """The settings that convert.json states: labels and key as hashes, which tell whether they changed."""
    stated = {name: getattr(settings, name) for name in ("image_size", "format", "window", "crop")}
    text = labels if labels in (None, "none") else Path(labels).read_bytes().decode("utf-8", "replace")
    stated["labels"] = text and pseudonym(b"labels", "labels", text)
    return stated | {"key": pseudonym(settings.key, "key", "check")}


def _earlier(manifest):
    """({patient: split}, rows of files elsewhere) of an earlier manifest: splits hold when images are added."""
    if not manifest.exists():
        return {}, []
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    others = [{column: row.get(column, "") for column in COLUMNS} for row in rows if Path(row["file"]).is_absolute()]
    return {row["patient"]: row["split"] for row in rows}, others


def _with_window_of_series(records):
    """The files whose window differs from the automatic one of their whole series: {path: (class, window)}.

    A series has an automatic window where a file of it has one: slices of one series are shown alike.
    """
    series = defaultdict(list)
    for path, record in records.items():
        if record["rows"]:
            series[record["series"]].append(path)
    again = {}
    for paths in series.values():
        quantiles = {path: records[path]["quantiles"] for path in paths if "quantiles" in records[path]}
        window = automatic_window(list(quantiles.values())) if quantiles else None
        for path in paths if window else []:
            if path not in quantiles or automatic_window([quantiles[path]]) != window:
                again[path] = (records[path]["task"][0], [window.center, window.width, window.function])
    return again
