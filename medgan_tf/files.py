"""Files that a killed process leaves whole, and hashes of what is in them."""

import csv
import hashlib
import io
import os
from pathlib import Path


def atomic_write(path, write):
    """Write a file beside `path` by write(temporary path), then move it into place.

    A killed process leaves the old file or the new one, never half of one. Makes the folder where there is none.

    >>> atomic_write("outputs/log.csv", lambda path: table.to_csv(path, index=False))
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_text(path, text):
    """`atomic_write` of a text in UTF-8."""
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def atomic_write_csv(path, columns, rows):
    """`atomic_write` of a table: rows are dicts of these columns. Names that are no Unicode are escaped."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write_text(path, text.getvalue().encode("utf-8", "backslashreplace").decode())


def sha256_of_file(path):
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_weights(model):
    """Hexadecimal SHA-256 over the shapes, types and bytes of a Keras model's weights, in their order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
