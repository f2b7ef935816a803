"""Works through files in child processes, with a journal: what `convert` and `deidentify` have in common.

The journal and whatever else names source files or quotes them lies in a folder of its own beside the output,
NAME.private, so that the output folder itself holds nothing of the source but what was meant to leave it.
"""

import contextlib
import csv
import errno
import io
import json
from pathlib import Path

import joblib
from tqdm import tqdm

from medgan_tf.dicom import burned_in, isolation, journal

SECONDS_PER_FILE = 300  # a file that takes longer is rejected
REJECTED_COLUMNS = ["file", "reason"]
REVIEW_COLUMNS = ["file", "sha256", "reason", "text", "cleared"]
CLEARED = {"yes", "y", "true", "1", "x"}


class CannotWrite(OSError):
    """The output folder takes no more: reason to stop the batch, unlike anything wrong with one file."""


@contextlib.contextmanager
def writing():
    """Turn an OSError into CannotWrite."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror) from error


@contextlib.contextmanager
def saying_what_cannot_be_written(out_dir):
    """Turn CannotWrite into an OSError with the remedy."""
    try:
        yield
    except CannotWrite as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Free space and run it again" if full else "Make it writable, or give another folder"
        raise OSError(
            error.errno,
            f"The output folder {out_dir} cannot be written to ({error.strerror}). {remedy}: what is done is kept.",
        ) from error


class Batch:
    """A context in which `run` works files off, in any number of rounds, under one progress bar and one journal.

    function: (path, *task, settings) -> record; it runs in a child process, so it must be importable. A record is a
    dict that JSON can hold, with `sha256`, `rows` (of the manifest; `file` is relative to settings.out_dir), `rejected`
    (reasons) and, where a person must look at the file first, `review`.
    """

    def __init__(self, function, settings, total, workers=None):
        self.function, self.settings = function, settings
        self.path = journal.private(settings.out_dir) / "progress.jsonl"
        self.bar = tqdm(total=total, unit="file")
        self.parallel = joblib.Parallel(
            n_jobs=workers or -1,
            prefer="threads",  # each thread keeps a child process, which does the work
            return_as="generator_unordered",
        )

    def __enter__(self):
        with writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.done = journal.read(self.path)
            self.log = self.path.open("a", encoding="utf-8")
            self.log.write("\n")  # the last line may have been cut off
        return self

    def __exit__(self, *_):
        isolation.release()
        self.bar.close()
        self.log.close()

    def run(self, tasks):
        """Work {path: task} off, or find it in the journal; {path: record}."""
        known = {path: self.done.get(journal.key(path, task)) for path, task in tasks.items()}
        missing = [task for task in tasks.items() if not journal.is_done(known[task[0]], self.settings)]
        self.bar.update(len(tasks) - len(missing))
        jobs = (joblib.delayed(_isolated)(self.function, *task, self.settings) for task in missing)
        with writing():
            for record in self.parallel(jobs):
                self.done[journal.key(record["path"], record["task"])] = record
                self.log.write(json.dumps(record) + "\n")
                self.log.flush()
                self.bar.update()
        return {path: self.done[journal.key(path, task)] for path, task in tasks.items()}


def _isolated(function, path, task, settings):
    """The function in a child process, its record completed by what the journal needs."""
    record = {"path": path, "task": task, "stamp": journal.stamp(path)}
    try:
        return record | isolation.call(function, path, *task, settings, seconds=SECONDS_PER_FILE)
    except isolation.Crashed as error:
        return record | {"sha256": "", "rows": [], "rejected": [str(error)]}


def without_duplicates(records):
    """Reject each file whose bytes are those of an earlier one."""
    first, kept = {}, {}
    for path, record in records.items():
        counts = record["rows"] or record.get("review")
        original = first.setdefault(record["sha256"], path) if counts else path
        reason = f"is byte for byte the same as {original}"
        kept[path] = record if original == path else {"rows": [], "rejected": [reason]}
    return kept


def rejected(records):
    """The rows of rejected.csv, sorted."""
    pairs = sorted((path, reason) for path, record in records.items() for reason in record["rejected"])
    return [{"file": path, "reason": f"{reason[0].upper()}{reason[1:]}."} for path, reason in pairs]


def cleared(out_dir):
    """The sha256 of the files that a person has cleared in review.csv. Raises ValueError for a damaged sheet."""
    path = journal.private(out_dir) / "review.csv"
    if not path.exists():
        return frozenset()
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not set(REVIEW_COLUMNS) <= set(rows.fieldnames or []):
            raise ValueError(f"{path} must have the columns {', '.join(REVIEW_COLUMNS)}; delete it to get a new one.")
        return frozenset(row["sha256"] for row in rows if (row["cleared"] or "").strip().lower() in CLEARED)


def hold_back(dataset, pictures, sha256, settings):
    """What a record says of an image that may show text: `review`, `text` and whether it is cleared; {} of others."""
    reasons, text = burned_in.suspicions(dataset, pictures)
    return {"review": reasons, "text": text, "cleared": sha256 in settings.cleared} if reasons else {}


def review(records, settings):
    """The rows of review.csv: every file that may show text, with the decision so far."""
    return [
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


def write_sheets(out_dir, rows, columns, records, settings):
    """Write rejected.csv and review.csv beside the output, and last the manifest; (rejected, held back), as counts."""
    folder = journal.private(out_dir)
    refused, suspects = rejected(records), review(records, settings)
    write_csv(folder / "rejected.csv", REJECTED_COLUMNS, refused)
    write_csv(folder / "review.csv", REVIEW_COLUMNS, suspects)
    write_csv(Path(out_dir) / "manifest.csv", columns, rows)
    return len(refused), sum(not row["cleared"] for row in suspects)


def said_of_review(held_back, out_dir):
    """One or two sentences for a report."""
    sheet = journal.private(out_dir) / "review.csv"
    said = f"{held_back} held back because they may show text, see {sheet}." if held_back else "None was held back."
    return (
        said
        if burned_in.detector()
        else f"{said} (With tesseract installed, fewer would be: it reads what looks like text.)"
    )


def write_csv(path, columns, rows):
    """Write a CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    journal.write_whole(path, text.getvalue())
