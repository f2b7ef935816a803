"""The folder of a thesis: generated files are replaced, those that an author has changed are not."""

import json
from hashlib import sha256
from pathlib import Path

from medgan_tf.files import atomic_write, atomic_write_text

RECORD = ".generated.json"  # {path in the folder: SHA-256 of what was written}


def write_folder(out, generated, once):
    """Write {path: bytes} `generated`, and `once` where there is no such file; remove what is generated no more.

    Raises ValueError, before anything is written, where a file to be replaced is not as this function wrote it.
    """
    out = Path(out)
    record = json.loads((out / RECORD).read_text()) if (out / RECORD).exists() else {}
    for path, content in generated.items():
        there = _hash_of_file(out / path)
        if there and there != record.get(path) and there != _hash(content):
            raise ValueError(
                f"{out / path} is not as this command wrote it: move your changes into main.tex or a file of another"
                f" name, delete {path}, and run the command again."
            )
    for path in record.keys() - generated.keys():
        if _hash_of_file(out / path) == record[path]:
            (out / path).unlink()
    for path, content in generated.items():
        atomic_write(out / path, lambda temporary, content=content: temporary.write_bytes(content))
    for path, content in once.items():
        if not (out / path).exists():
            atomic_write(out / path, lambda temporary, content=content: temporary.write_bytes(content))
    atomic_write_text(out / RECORD, json.dumps({path: _hash(content) for path, content in generated.items()}, indent=1))


def _hash(content):
    return sha256(content).hexdigest()


def _hash_of_file(path):
    return _hash(path.read_bytes()) if path.exists() else ""
