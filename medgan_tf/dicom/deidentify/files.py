"""De-identifies folders of DICOM into folders named after patient, study and series, all pseudonyms.

An output folder NAME holds `<patient>/<study>/<series>/<instance>.dcm`, `manifest.csv` and `deidentify.json` (a check
of the key). Beside it, NAME.private holds `rejected.csv`, `review.csv` and `progress.jsonl`, as for `dicom.convert`,
whose journal, child processes, pseudonyms and rules for burned-in text this shares.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from medgan_tf.dicom import batch, journal
from medgan_tf.dicom.conversion import listed_elsewhere
from medgan_tf.dicom.finding import find_files
from medgan_tf.dicom.pseudonyms import load_key, pseudonym

from .one_file import Settings, deidentify_file

COLUMNS = ["file", "patient", "study", "series", "modality", "sop_class"]


@dataclass
class Report:
    """What `deidentify` did: numbers of files written, rejected and held back for review."""

    written: int
    rejected: int
    held_back: int
    seconds: float
    manifest: Path

    def __str__(self):
        folder = self.manifest.parent
        return (
            f"{self.written} files de-identified in {self.seconds:.1f} s; {self.rejected} not, see rejected.csv in "
            f"{journal.private(folder)}. {batch.said_of_review(self.held_back, folder)} Manifest: {self.manifest}"
        )


def deidentify(sources, out_dir, workers=None):
    """De-identify the DICOM images in `sources` (folders or files) into `out_dir`; return a Report.

    Files are told by content, as in `dicom.convert`; those without pixels (reports, plans) are rejected, since text and
    structure are all they hold. An image that may show text is left out until review.csv says "yes" in the column
    `cleared` of its row and this runs again. A rerun does only what is missing. workers: files worked on at a time.

    Raises FileNotFoundError or ValueError for sources or settings that cannot serve, and OSError where `out_dir` cannot
    be written to (what is done is kept).
    """
    start = time.monotonic()
    sources = [Path(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    out_dir = Path(out_dir)
    settings = Settings(out_dir.absolute(), load_key(), batch.cleared(out_dir))
    files = find_files(sources, out_dir, None)
    with batch.saying_what_cannot_be_written(out_dir):
        _same_key_as_before(out_dir, settings.key)
        with batch.Batch(deidentify_file, settings, len(files), workers) as work:
            records = work.run({path: () for path in files})
            listed = listed_elsewhere(records, files)
            work.bar.total += len(listed)
            records = batch.without_duplicates(records | work.run({path: () for path in listed}))
        rows = sorted((row for record in records.values() for row in record["rows"]), key=lambda row: row["file"])
        with batch.writing():
            _sweep(out_dir, rows)
            rejected, held_back = batch.write_sheets(out_dir, rows, COLUMNS, records, settings)
    return Report(len(rows), rejected, held_back, time.monotonic() - start, out_dir / "manifest.csv")


def _same_key_as_before(out_dir, key):
    """Write down which key it is, without telling it, or see that it is that of the run that this one resumes."""
    path, stated = out_dir / "deidentify.json", {"key": pseudonym(key, "key", "check")}
    if path.exists():
        if json.loads(path.read_text()) != stated:
            raise ValueError(f"{out_dir} was made with another key: give another output folder, or that key.")
        return
    with batch.writing():
        out_dir.mkdir(parents=True, exist_ok=True)
        journal.write_whole(path, json.dumps(stated) + "\n")


def _sweep(out_dir, rows):
    """Remove files that the manifest does not list: of sources since changed or removed, or no longer cleared."""
    listed = {row["file"] for row in rows}
    for path in out_dir.glob("*/*/*/*.dcm"):
        if path.relative_to(out_dir).as_posix() not in listed:
            path.unlink()
