"""Tables of labels as hospitals and spreadsheets write them."""

import codecs
import csv
import functools

from .names import safe_classes

SUBJECTS = ("file", "patient")
REMEDY = "it needs a header line with file,class or patient,class"


@functools.cache
def read_labels(path):
    """("file" or "patient", {file or patient: class}) of a table with the columns class and one of these.

    Columns may be separated by commas, semicolons or tabs; text may be UTF-8, UTF-16 or Windows Latin. Raises
    ValueError, which names the line, for a row without a subject or a class, and for two rows that contradict.
    """
    lines = _text(path.read_bytes(), path).splitlines()
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True)
    reader.fieldnames = [column.strip().casefold() for column in reader.fieldnames or []]
    subject = next((column for column in SUBJECTS if column in reader.fieldnames), None)
    if subject is None or "class" not in reader.fieldnames:
        raise ValueError(f"{path} lacks the columns of labels: {REMEDY}.")
    classes, line_of = {}, {}
    for row in reader:
        name, label = ((row[column] or "").strip() for column in (subject, "class"))
        if not name or not label:
            raise ValueError(f"{path}, line {reader.line_num}: the {subject if not name else 'class'} is missing.")
        if classes.setdefault(name, label) != label:
            raise ValueError(
                f"{path}, lines {line_of[name]} and {reader.line_num} contradict each other:"
                f" {subject} {name} is '{classes[name]}' and '{label}'."
            )
        line_of.setdefault(name, reader.line_num)
    safe = safe_classes(classes.values())
    return subject, {name: safe[label] for name, label in classes.items()}


def _text(data, path):
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError(f"{path} is no text in UTF-8, UTF-16 or Windows Latin: save it as CSV in UTF-8; {REMEDY}.")
