"""Converts folders of DICOM into images with pseudonymous names, a manifest, and reasons for the rest.

An output folder holds `images/<class>/<name>`, `manifest.csv` (one row an image), `rejected.csv` (one row a
file or frame that was not converted), `convert.json` (the settings) and `progress.jsonl` (what is done, so
that a run can be resumed). The manifest is written last: where it stands, the conversion is complete.
`rejected.csv` and `progress.jsonl` name source files, so keep them where the sources are.
"""

import csv
import errno
import io
import json
import time
from collections import Counter, defaultdict
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

import joblib
from tqdm import tqdm

from . import isolation, journal
from .finding import find_files, read_labels
from .greyscale import WINDOWS, automatic_window
from .one_file import SUFFIXES, CannotWrite, Settings, convert_file, writing
from .pseudonyms import load_key, pseudonym

COLUMNS = [
    *("file", "class", "patient", "study", "series", "modality"),
    *("width", "height", "window", "source_sha256", "split"),
]
REJECTED_COLUMNS = ["file", "reason"]
SECONDS_PER_FILE = 300  # a file that takes longer is rejected


@dataclass
class Report:
    """What `convert` did: numbers of images and of rejected files or frames, images per class."""

    converted: int
    rejected: int
    seconds: float
    manifest: Path
    classes: dict = field(default_factory=dict)

    def __str__(self):
        classes = ", ".join(f"{name} {count}" for name, count in self.classes.items())
        return (
            f"{self.converted} images from DICOM in {self.seconds:.1f} s ({classes or 'no class'}); "
            f"{self.rejected} not converted, see rejected.csv. Manifest: {self.manifest}"
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
    """Convert the DICOM files in `sources` to square grey images in `out_dir`; return a Report.

    sources: one or several folders (searched recursively) or files; DICOM is told by content.
    image_size: side in pixels. The whole picture fits in, padded with black; with `crop`, it fills the side
        and what sticks out is cut off evenly.
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
    try:
        _same_settings_as_before(out_dir, settings, labels)
        rows, rejected = _collect(_convert_all(files, settings, workers))
        with writing():
            _sweep(out_dir, rows)
            _write_csv(out_dir / "rejected.csv", REJECTED_COLUMNS, rejected)
            _write_csv(out_dir / "manifest.csv", COLUMNS, rows)
    except CannotWrite as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Free space and run it again" if full else "Make it writable, or give another folder"
        raise OSError(
            error.errno,
            f"The output folder {out_dir} cannot be written to ({error.strerror}). {remedy}: what is done is kept.",
        ) from error
    classes = dict(sorted(Counter(row["class"] for row in rows).items()))
    seconds = time.monotonic() - start
    return Report(len(rows), len(rejected), seconds, out_dir / "manifest.csv", classes)


def _settings(out_dir, image_size, format, window, crop, labels):
    """Check the arguments and gather them."""
    if format not in SUFFIXES:
        raise ValueError(f"The format is one of {', '.join(SUFFIXES)}, not '{format}'.")
    if not 1 <= image_size <= 8192:
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
    with writing():
        out_dir.mkdir(parents=True, exist_ok=True)
        journal.write_whole(path, json.dumps(stated, indent=2) + "\n")


def _convert_all(files, settings, workers):
    """Return {path: record} of every file, from the journal of an earlier run or by converting now."""
    path = settings.out_dir / "progress.jsonl"
    done = journal.read(path)
    with writing(), path.open("a", encoding="utf-8") as log, tqdm(total=len(files), unit="file") as bar:
        log.write("\n")  # the last line may have been cut off

        def run(tasks):
            """Convert {path: (class, window)}; return {path: record}."""
            missing = [task for task in tasks.items() if not journal.is_done(done.get(journal.key(*task)), settings)]
            bar.update(len(tasks) - len(missing))
            parallel = joblib.Parallel(
                n_jobs=workers or -1,
                prefer="threads",  # each thread keeps a child process, which does the work
                return_as="generator_unordered",
            )
            jobs = (joblib.delayed(_convert_isolated)(*task, settings, SECONDS_PER_FILE) for task in missing)
            for record in parallel(jobs):
                done[journal.key(record["path"], record["task"])] = record
                log.write(json.dumps(record) + "\n")
                log.flush()
                bar.update()
            return {path: done[journal.key(path, task)] for path, task in tasks.items()}

        try:
            records = run({path: (class_name, None) for path, class_name in files.items()})
            listed = _listed_elsewhere(records, files)
            bar.total += len(listed)
            records |= run({path: (class_name, None) for path, class_name in listed.items()})
            records = _without_duplicates(records)
            again = _with_window_of_series(records)
            bar.total += len(again)
            return records | run(again)
        finally:
            isolation.release()


def _convert_isolated(path, task, settings, seconds):
    """`convert_file` in a child process, its record completed by what the journal needs."""
    record = {"path": path, "task": task, "stamp": journal.stamp(path)}
    try:
        return record | isolation.call(convert_file, path, *task, settings, seconds=seconds)
    except isolation.Crashed as error:
        return record | {"sha256": "", "rows": [], "rejected": [str(error)]}


def _listed_elsewhere(records, files):
    """Files that a DICOMDIR lists and the walk did not meet: {path: class of the DICOMDIR}."""
    return {
        reference: files[path]
        for path, record in records.items()
        for reference in record.get("references", [])
        if reference not in files
    }


def _without_duplicates(records):
    """Reject each file whose bytes are those of an earlier one."""
    first, kept = {}, {}
    for path, record in records.items():
        original = first.setdefault(record["sha256"], path) if record["rows"] else path
        reason = f"is byte for byte the same as {original}"
        kept[path] = record if original == path else {"rows": [], "rejected": [reason]}
    return kept


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


def _collect(records):
    """The rows of manifest.csv and of rejected.csv, sorted."""
    rows = sorted((row for record in records.values() for row in record["rows"]), key=lambda row: row["file"])
    rejected = sorted(
        (path, f"{reason[0].upper()}{reason[1:]}.") for path, record in records.items() for reason in record["rejected"]
    )
    return rows, [dict(zip(REJECTED_COLUMNS, pair, strict=True)) for pair in rejected]


def _sweep(out_dir, rows):
    """Remove images that the manifest does not list: of files since changed or removed, or half written."""
    listed = {row["file"] for row in rows}
    for path in (out_dir / "images").glob("*/*"):
        if path.relative_to(out_dir).as_posix() not in listed:
            path.unlink()


def _write_csv(path, columns, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    journal.write_whole(path, text.getvalue())
