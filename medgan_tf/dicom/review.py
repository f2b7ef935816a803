"""The sheets beside an output folder: rejected.csv, and review.csv of images that may show text.

An image that may show text is held back until a person writes "yes" in the column `cleared` of its row.
"""

import csv
from collections import Counter, defaultdict
from itertools import chain

from medgan_tf.dicom import burned_in
from medgan_tf.dicom.burned_in import Extremes
from medgan_tf.dicom.journal import private_folder, writing
from medgan_tf.files import atomic_write_csv

REVIEW_COLUMNS = ["file", "sha256", "reason", "text", "cleared"]
MOST_REASONS = 5  # for rejected files that a report lists
MOST_SLICES = 64  # of a series that are searched for text together
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


class Slices:
    """The slices of CT and MR series, which are searched for text together, since most series have none."""

    def __init__(self):
        self.series = defaultdict(lambda: (Extremes(MOST_SLICES), []))

    def take(self, header, image, sha256):
        """Take a file's image, (H, W) in [0, 1]. Returns False, and does nothing, if it is to be searched alone."""
        if header.modality not in ("CT", "MR") or header.frame_count > 1:
            return False
        extremes, files = self.series[header.series, image.shape]
        extremes.add(image)
        files.append(sha256)
        return True

    def with_text(self):
        """The sha256 of the files of series that show text in some slice."""
        found = [files for extremes, files in self.series.values() if any(map(burned_in.read_text, extremes))]
        return set(chain.from_iterable(found))


def hold_back(header, images, sha256, settings, slices=None):
    """Return `review` (why the images may show text), `text` (what was read in them) and `cleared`; else {}.

    images: an `Extremes` of all frames. slices: a `Slices` that may take them instead of a search now, or None.
    """
    taken = slices is not None and all(slices.take(header, image, sha256) for image in images)
    reasons, text = burned_in.suspicions(header, () if taken else images)
    return {"review": reasons, "text": text, "cleared": sha256 in settings.cleared} if reasons else {}


def write_sheets(records, columns, settings, pattern, others=()):
    """Write rejected.csv, review.csv and last the manifest, which lists the output of {path: record} and other rows.

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
    folder, listed = private_folder(settings.out_dir), {row["file"] for row in rows}
    with writing():
        for path in settings.out_dir.glob(pattern):
            if path.relative_to(settings.out_dir).as_posix() not in listed:
                path.unlink()
        atomic_write_csv(folder / "rejected.csv", ["file", "reason"], rejected)
        atomic_write_csv(folder / "review.csv", REVIEW_COLUMNS, suspects)
        atomic_write_csv(settings.out_dir / "manifest.csv", columns, [*rows, *others])
    return rows, len(rejected), sum(not row["cleared"] for row in suspects)


def describe_sheets(report):
    """Return how a report of `convert` or `deidentify` ends: what was left out, and where the sheets are."""
    folder, held = private_folder(report.manifest.parent), "None was held back."
    if report.held_back:
        held = f"{report.held_back} held back because they may show text, see {folder / 'review.csv'}."
    with (folder / "rejected.csv").open(newline="", encoding="utf-8") as file:
        reasons = Counter(row["reason"].rstrip(".") for row in csv.DictReader(file)).most_common(MOST_REASONS)
    kinds = "; ".join(f"{count}: {reason}" for reason, count in reasons)
    rejected = f"{report.rejected} rejected, see {folder / 'rejected.csv'}{kinds and f' ({kinds})'}"
    return f"{rejected}. {held} Manifest: {report.manifest}"
