"""The sheets beside an output folder: rejected.csv, and review.csv of images that may show text.

An image that may show text is held back until a person writes "yes" in the column `cleared` of its row.
"""

import csv
import io

from medgan_tf.dicom import burned_in
from medgan_tf.dicom.journal import private_folder, writing
from medgan_tf.files import atomic_write_text

REJECTED_COLUMNS = ["file", "reason"]
REVIEW_COLUMNS = ["file", "sha256", "reason", "text", "cleared"]
CLEARED = {"yes", "y", "true", "1", "x"}


def cleared_files(out_dir):
    """Return the sha256 of the files that a person has cleared in review.csv. Raises ValueError for a damaged sheet."""
    path = private_folder(out_dir) / "review.csv"
    if not path.exists():
        return frozenset()
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not set(REVIEW_COLUMNS) <= set(rows.fieldnames or []):
            raise ValueError(f"{path} must have the columns {', '.join(REVIEW_COLUMNS)}; delete it to get a new one.")
        return frozenset(row["sha256"] for row in rows if (row["cleared"] or "").strip().lower() in CLEARED)


def hold_back(header, images, sha256, settings):
    """Return `review`, `text` and `cleared` for the record of a file that may show text; {} for other files.

    images: as for `burned_in.suspicions`.
    """
    reasons, text = burned_in.suspicions(header, images)
    return {"review": reasons, "text": text, "cleared": sha256 in settings.cleared} if reasons else {}


def write_sheets(records, columns, settings, pattern):
    """Write rejected.csv, review.csv and last the manifest, which lists the output of {path: record}.

    Removes the files of a pattern in the output that no record lists: their sources were changed or removed, or are no
    longer cleared. Returns the manifest's rows and the numbers of rejected and of held-back files. Raises CannotWrite.
    """
    rows = sorted((row for record in records.values() for row in record["rows"]), key=lambda row: row["file"])
    rejected = [
        {"file": path, "reason": f"{reason[0].upper()}{reason[1:]}."}
        for path, reason in sorted((path, reason) for path, record in records.items() for reason in record["rejected"])
    ]
    suspects = [
        {
            "file": path,
            "sha256": record["sha256"],
            "reason": "; ".join(record["review"]),
            "text": record.get("text", ""),
            "cleared": "yes" if record["sha256"] in settings.cleared else "",
        }
        for path, record in sorted(records.items())
        if record.get("review")
    ]
    folder = private_folder(settings.out_dir)
    with writing():
        _remove_unlisted(settings.out_dir, {row["file"] for row in rows}, pattern)
        _write_csv(folder / "rejected.csv", REJECTED_COLUMNS, rejected)
        _write_csv(folder / "review.csv", REVIEW_COLUMNS, suspects)
        _write_csv(settings.out_dir / "manifest.csv", columns, rows)
    return rows, len(rejected), sum(not row["cleared"] for row in suspects)


def describe_review(held_back, out_dir):
    """Return one or two sentences for a report on how many files were held back."""
    sheet = private_folder(out_dir) / "review.csv"
    text = f"{held_back} held back because they may show text, see {sheet}." if held_back else "None was held back."
    hint = " (With tesseract installed, fewer would be: it reads what looks like text.)"
    return text if burned_in.detector() else text + hint


def _remove_unlisted(out_dir, listed, pattern):
    for path in out_dir.glob(pattern):
        if path.relative_to(out_dir).as_posix() not in listed:
            path.unlink()


def _write_csv(path, columns, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write_text(path, text.getvalue())
