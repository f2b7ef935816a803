"""Files of an output folder that survive a kill: a journal of what is done, and text written whole."""

import contextlib
import json
from pathlib import Path


def private(out_dir):
    """The folder beside an output folder for what names source files: it stays where the sources are."""
    out_dir = Path(out_dir)
    return out_dir.with_name(f"{out_dir.name}.private")


def write_whole(path, text):
    """Write a text file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="")
    partial.replace(path)


def key(path, task):
    """What a record is found by: a file, and the class and window that were asked for."""
    return json.dumps([path, task])


def stamp(path):
    """What changes when a file does: size and time; None where there is no such file."""
    try:
        state = Path(path).stat()
        return [state.st_size, state.st_mtime_ns]
    except OSError:
        return None


def read(path):
    """Records by key; a line that was cut off when a run was killed does not count."""
    done = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                done[key(record["path"], record["task"])] = record
    return done


def is_done(record, settings):
    """True where the record is of the file as it now is, its output is still there, and no review changed its fate."""
    return (
        record is not None
        and record["stamp"] == stamp(record["path"])
        and not (record.get("review") and record["cleared"] != (record["sha256"] in settings.cleared))
        and all((settings.out_dir / row["file"]).exists() for row in record["rows"])
    )
