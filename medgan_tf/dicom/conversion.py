"""Converts folders of DICOM into images with pseudonymous names, a manifest, and reasons for the rest.

An output folder NAME holds `images/<class>/<name>`, `manifest.csv` (one row an image) and `convert.json` (the
settings). The manifest is written last: where it stands, the conversion is complete. Beside it, NAME.private holds
what names source files and stays where these are: `rejected.csv` (one row a file or frame that was not converted),
`review.csv` (images that may show text, left out until a person writes "yes" in the column `cleared` and the
conversion runs again) and `progress.jsonl` (what is done, so that a run can be resumed).
"""

import json
import time
from collections import Counter, defaultdict
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

from medgan_tf.config import sides
from medgan_tf.dicom import batch, journal

from .finding import find_files, read_labels
from .greyscale import WINDOWS, automatic_window
from .one_file import Settings, convert_file
from .pictures import SUFFIXES
from .pseudonyms import load_key, pseudonym

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
        classes = ", ".join(f"{name} {count}" for name, count in self.classes.items())
        return (
            f"{self.converted} images from DICOM in {self.seconds:.1f} s ({classes or 'no class'}); "
            f"{self.rejected} not converted, see rejected.csv in {journal.private(self.manifest.parent)}. "
            f"{batch.said_of_review(self.held_back, self.manifest.parent)} Manifest: {self.manifest}"
        )


def convert(
    sources,
    out_dir,
    image_size=256,
    format="jpg",
    window="auto",
    crop=False,
    labels=None,
    workers=None,
):
    """Convert the DICOM files in `sources` to grey images of one size in `out_dir`; return a Report.

    sources: one or several folders (searched recursively) or files; DICOM is told by content.
    image_size: a square's side in pixels, or (height, width). The whole picture fits in, padded with black; with
        `crop`, it fills all and what sticks out is cut off evenly.
    format: "jpg" (8 bit, quality 95), "png" (8 bit) or "png16".
    window: as in `dicom.read_image`; automatic windows are those of a whole series, not of one slice.
    labels: a CSV with columns class and either file (path relative to its source) or patient (Patient ID).
        Without it, the class is the first folder level below a source, or the source's own name.
    workers: files worked on at a time; by default one a core. joblib's `parallel_config` may move the work
        elsewhere, for example to a Dask cluster.

    A rerun does only what is missing. Raises FileNotFoundError or ValueError for sources, settings or labels
    that cannot serve, and OSError where `out_dir` cannot be written to (what is done is kept).
    """
    start = time.monotonic()
    sources = [Path(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    out_dir = Path(out_dir)
    settings = _settings(out_dir, image_size, format, window, crop, labels)
    files = find_files(sources, out_dir, labels)
    with batch.saying_what_cannot_be_written(out_dir):
        _same_settings_as_before(out_dir, settings, labels)
        records = _convert_all(files, settings, workers)
        rows = sorted((row for record in records.values() for row in record["rows"]), key=lambda row: row["file"])
        with batch.writing():
            _sweep(out_dir, rows)
            rejected, held_back = batch.write_sheets(out_dir, rows, COLUMNS, records, settings)
    classes = dict(sorted(Counter(row["class"] for row in rows).items()))
    seconds = time.monotonic() - start
    return Report(len(rows), rejected, held_back, seconds, out_dir / "manifest.csv", classes)


def _settings(out_dir, image_size, format, window, crop, labels):
    """Check the arguments and gather them."""
    if format not in SUFFIXES:
        raise ValueError(f"The format is one of {', '.join(SUFFIXES)}, not '{format}'.")
    if not all(1 <= side <= 8192 for side in sides(image_size)):
        raise ValueError(f"The image size is 1 to 8192 pixels, not {image_size}.")
    pair = isinstance(window, (tuple, list)) and len(window) == 2 and window[1] >= 1
    if not (pair or isinstance(window, int) or window == "auto" or window in WINDOWS):
        raise ValueError(
            f"The window is auto, a number, one of {', '.join(WINDOWS)}, or a pair (center, width) "
            f"with width 1 or more, not {window!r}."
        )
    by_patient = labels is not None and read_labels(Path(labels))[0] == "patient"
    return Settings(
        out_dir=out_dir.absolute(),
        key=load_key(),
        image_size=image_size,
        format=format,
        window=tuple(window) if pair else window,
        crop=crop,
        patient_labels=Path(labels).absolute() if by_patient else None,
        cleared=batch.cleared(out_dir),
    )


def _same_settings_as_before(out_dir, settings, labels):
    """Write the settings down, or see that they are those of the run that this one resumes."""
    stated = asdict(settings)
    stated = {name: stated[name] for name in ("image_size", "format", "window", "crop")}
    stated["labels"] = Path(labels).read_text() if labels else None
    stated["labels"] = stated["labels"] and pseudonym(b"labels", "labels", stated["labels"])
    stated["key"] = pseudonym(settings.key, "key", "check")  # another key would give other pseudonyms
    stated = json.loads(json.dumps(stated))
    path = out_dir / "convert.json"
    if path.exists():
        before = json.loads(path.read_text())
        changed = [name for name in stated if stated[name] != before.get(name)]
        if changed:
            raise ValueError(
                f"{out_dir} was made with another {' and '.join(changed)}: "
                "give another output folder, or the settings in its convert.json."
            )
        return
    with batch.writing():
        out_dir.mkdir(parents=True, exist_ok=True)
        journal.write_whole(path, json.dumps(stated, indent=2) + "\n")


def _convert_all(files, settings, workers):
    """Return {path: record} of every file, from the journal of an earlier run or by converting now."""
    with batch.Batch(convert_file, settings, len(files), workers) as work:
        records = work.run({path: (class_name, None) for path, class_name in files.items()})
        listed = listed_elsewhere(records, files)
        work.bar.total += len(listed)
        records |= work.run({path: (class_name, None) for path, class_name in listed.items()})
        records = batch.without_duplicates(records)
        again = _with_window_of_series(records)
        work.bar.total += len(again)
        return records | work.run(again)


def listed_elsewhere(records, files):
    """Files that a DICOMDIR lists and the walk did not meet: {path: class of the DICOMDIR}."""
    return {
        reference: files[path]
        for path, record in records.items()
        for reference in record.get("references", [])
        if reference not in files
    }


def _with_window_of_series(records):
    """The files whose automatic window differs from that of their whole series: {path: (class, window)}."""
    series = defaultdict(list)
    for path, record in records.items():
        if record["rows"] and "quantiles" in record:
            series[record["series"]].append(path)
    again = {}
    for paths in series.values():
        window = automatic_window([records[path]["quantiles"] for path in paths])
        for path in paths:
            if automatic_window([records[path]["quantiles"]]) != window:
                again[path] = (records[path]["task"][0], list(astuple(window)))
    return again


def _sweep(out_dir, rows):
    """Remove images that the manifest does not list: of files since changed or removed, or half written."""
    listed = {row["file"] for row in rows}
    for path in (out_dir / "images").glob("*/*"):
        if path.relative_to(out_dir).as_posix() not in listed:
            path.unlink()
