"""Find the files to convert, and the class of each: from folders, or from a CSV of labels."""

import csv
import functools
import os
import re
from pathlib import Path

from medgan_tf.dicom.journal import private_folder
from medgan_tf.dicom.parsing import DicomError


def find_files(sources, out_dir, labels=None):
    """Return {absolute path: class} of all files in `sources` (folders or files), in their order and then by path.

    The class is None where the patient decides, and "" where the labels leave the file out. Files below `out_dir` are
    ignored. Raises FileNotFoundError or ValueError where there is nothing to find.
    """
    sources = [Path(source) for source in ([sources] if isinstance(sources, (str, Path)) else sources)]
    subject, classes = read_labels(Path(labels)) if labels else (None, {})
    out_dir, files = out_dir.resolve(), {}
    own = {out_dir, private_folder(out_dir)}
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(f"{source} does not exist: give a folder of DICOM files, or one file.")
        root = source.resolve() if source.is_dir() else source.resolve().parent
        for path in _walk(source.resolve(), own):
            relative = path.relative_to(root)
            if subject == "patient":
                name = None
            elif subject == "file":
                name = classes.get(relative.as_posix(), "")
            else:
                name = relative.parts[0] if len(relative.parts) > 1 else root.name
            files.setdefault(str(path), name and safe_class(name))
    if not files:
        raise ValueError(f"There are no files in {', '.join(map(str, sources))}.")
    return files


def files_of_dicomdir(path, dataset):
    """Return the files that a DICOMDIR lists (PS3.10 section 8), as paths below its folder. Raises DicomError."""
    folder, found = Path(path).parent, []
    for entry in dataset.DirectoryRecordSequence:
        parts = entry.get("ReferencedFileID")
        if parts:
            parts = [parts] if isinstance(parts, str) else list(parts)
            if ".." in parts or "/" in "".join(parts):
                raise DicomError("lists files outside its folder")
            file = folder.joinpath(*parts)
            lower = folder.joinpath(*(part.lower() for part in parts))  # as some systems show a CD
            found.append(str(lower if lower.exists() and not file.exists() else file))
    return found


def _walk(source, own):
    if not source.is_dir():
        yield source
        return
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = sorted(name for name in subfolders if Path(folder, name) not in own)
        yield from (Path(folder, name) for name in sorted(names))


@functools.cache
def read_labels(path):
    """Read a CSV of labels: return ("file" or "patient", {file or patient: class}). Raises ValueError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        subject = next((column for column in ("file", "patient") if column in columns), None)
        if subject is None or "class" not in columns:
            raise ValueError(f"{path} must have the columns file,class or patient,class.")
        return subject, {row[subject].strip(): safe_class(row["class"]) for row in reader}


def safe_class(name):
    """Return a class name that can be a folder's name on any system."""
    return re.sub(r"[^\w .-]+", "_", name).strip(" .") or "unnamed"
