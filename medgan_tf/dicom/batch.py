"""Process files in child processes, with a journal: what `convert` and `deidentify` have in common."""

import hashlib
import json
import logging
import warnings

import joblib
from tqdm import tqdm

from medgan_tf.dicom import isolation, journal, parsing
from medgan_tf.dicom.find_files import files_of_dicomdir
from medgan_tf.dicom.header import Header
from medgan_tf.dicom.review import MOST_SLICES, Slices

SECONDS = 300  # a file that takes longer is rejected
FILES, BYTES = MOST_SLICES, 2**26  # at most, of the files that a child process is sent at once


class Batch:
    """A context whose `run` processes files, in any number of rounds, under one progress bar and one journal.

    function: (path, *task, settings, slices) -> record; it runs in a child process, so it must be importable. A record
    is a dict that JSON can hold, with `sha256`, `rows` (of the manifest; `file` is relative to settings.out_dir),
    `rejected` (a reason for the file, or for each frame left out) and, where a person must look at the file first,
    `review`. slices: a `review.Slices` for `review.hold_back`.
    """

    def __init__(self, function, settings, workers=None):
        self.function, self.settings = function, settings
        self.path = journal.private_folder(settings.out_dir) / "progress.jsonl"
        self.bar = tqdm(total=0, unit="file")
        # Threads suffice: each keeps a child process, which does the work.
        self.parallel = joblib.Parallel(n_jobs=workers or -1, prefer="threads", return_as="generator_unordered")

    def __enter__(self):
        with journal.writing():
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
        """Return {path: record} of {path: task}, by processing a file or from the journal."""
        self.bar.total += len(tasks)
        known = {path: self.done.get(journal.key(path, task)) for path, task in tasks.items()}
        missing = [task for task in tasks.items() if not journal.is_done(known[task[0]], self.settings)]
        self.bar.update(len(tasks) - len(missing))
        jobs = (joblib.delayed(_isolated)(self.function, part, self.settings) for part in parts(missing))
        with journal.writing():
            for records in self.parallel(jobs):
                for record in records:
                    self.done[journal.key(record["path"], record["task"])] = record
                    self.log.write(json.dumps(record) + "\n")
                self.log.flush()
                self.bar.update(len(records))
        return {path: self.done[journal.key(path, task)] for path, task in tasks.items()}

    def run_with_listed(self, tasks):
        """`run`, also for files that a DICOMDIR lists (with the DICOMDIR's task); duplicates are rejected."""
        records = self.run(tasks)
        listed = {
            file: tasks[path]
            for path, record in records.items()
            for file in record.get("references", [])
            if file not in tasks
        }
        return _without_duplicates(records | self.run(listed))


def record_of_file(path, process):
    """Read a file and return its record: with what process(Header, sha256) returns, or with why it failed.

    The record of a DICOMDIR has the files that it lists as `references`. Raises CannotWrite.
    """
    warnings.simplefilter("ignore")
    logging.disable()
    record = {"sha256": "", "rows": [], "rejected": []}
    try:
        data = parsing.read_bytes(path)
        record["sha256"] = hashlib.sha256(data).hexdigest()
        dataset = parsing.parse(data)
        if "DirectoryRecordSequence" in dataset:
            return record | {"references": files_of_dicomdir(path, dataset)}
        return record | process(Header.of(dataset), record["sha256"])
    except journal.CannotWrite:
        raise
    except Exception as error:  # malformed values may raise anything anywhere
        return record | {"rejected": [parsing.reason(error)]}


def parts(tasks):
    """Lists of some of the (path, task) each, in their order: of many small files, or of one large."""
    part, size = [], 0
    for path, task in tasks:
        length = (journal.stamp(path) or [0])[0]
        if part and (len(part) == FILES or size + length > BYTES):
            yield part
            part, size = [], 0
        part.append((path, task))
        size += length
    if part:
        yield part


def _isolated(function, tasks, settings):
    """The records of some files, from a child process; where it dies, of each file alone. With what a journal needs."""
    stamps = [journal.stamp(path) for path, _ in tasks]
    try:
        records = isolation.call(process_files, function, tasks, settings, seconds=SECONDS)
    except isolation.Crashed as error:
        if len(tasks) > 1:
            return [record for task in tasks for record in _isolated(function, [task], settings)]
        records = [{"sha256": "", "rows": [], "rejected": [str(error)]}]
    return [
        {"path": path, "task": task, "stamp": stamp} | record
        for (path, task), stamp, record in zip(tasks, stamps, records, strict=True)
    ]


def process_files(function, tasks, settings):
    """The records of some files. Slices of a series are searched for text together; where there is some, each alone."""
    slices = Slices()
    records = [function(path, *task, settings, slices) for path, task in tasks]
    suspects = slices.with_text()
    return [
        function(path, *task, settings, None) if record["sha256"] in suspects else record
        for (path, task), record in zip(tasks, records, strict=True)
    ]


def _without_duplicates(records):
    """Reject each file whose bytes are those of an earlier one."""
    first, kept = {}, {}
    for path, record in records.items():
        has_output = record["rows"] or record.get("review")
        original = first.setdefault(record["sha256"], path) if has_output else path
        reason = f"is byte for byte the same as {original}"
        kept[path] = record if original == path else {"rows": [], "rejected": [reason]}
    return kept
