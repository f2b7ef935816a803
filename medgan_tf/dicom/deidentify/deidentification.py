"""De-identify folders of DICOM into folders named after patient, study and series, all pseudonyms.

An output folder NAME holds `<patient>/<study>/<series>/<instance>.dcm`, `manifest.csv` and `deidentify.json` (a check
of the key). Beside it, NAME.private holds `rejected.csv`, `review.csv` and `progress.jsonl`, as for `dicom.convert`,
whose journal, child processes, pseudonyms and rules for burned-in text this uses.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from medgan_tf.dicom import journal
from medgan_tf.dicom.batch import Batch
from medgan_tf.dicom.deidentify.deidentify_file import DeidentificationSettings, deidentify_file
from medgan_tf.dicom.find_files import find_files
from medgan_tf.dicom.pseudonyms import load_key, pseudonym
from medgan_tf.dicom.review import cleared_files, describe_review, write_sheets

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
            f"{journal.private_folder(folder)}. {describe_review(self.held_back, folder)} Manifest: {self.manifest}"
        )


def deidentify(sources, out_dir, workers=None):
    """De-identify the DICOM images in `sources` (folders or files) into `out_dir`; return a Report.

    Files are recognised by content, as in `dicom.convert`; those without pixels (reports, plans) are rejected, because
    they consist of text and structure only. An image that may show text is left out until review.csv says "yes" in the
    column `cleared` of its row and this runs again. A rerun does only what is missing. workers: files processed at a
    time.

    Raises FileNotFoundError or ValueError for sources or settings that cannot be used, and OSError where `out_dir`
    cannot be written to (what is done is kept).
    """
    start = time.monotonic()
    out_dir = Path(out_dir)
    settings = DeidentificationSettings(out_dir.absolute(), load_key(), cleared_files(out_dir))
    files = find_files(sources, out_dir)
    with journal.explain_write_errors(out_dir):
        # The check tells which key it is without giving it away.
        if journal.changed_settings(out_dir / "deidentify.json", {"key": pseudonym(settings.key, "key", "check")}):
            raise ValueError(f"{out_dir} was made with another key: give another output folder, or that key.")
        with Batch(deidentify_file, settings, workers) as batch:
            records = batch.run_with_listed({path: () for path in files})
        rows, rejected, held_back = write_sheets(records, COLUMNS, settings, "*/*/*/*.dcm")
    return Report(len(rows), rejected, held_back, time.monotonic() - start, out_dir / "manifest.csv")
