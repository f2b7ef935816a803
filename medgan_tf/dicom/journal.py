"""A journal of the files that are done, so that a killed run can be resumed.

It is in NAME.private, with all else that names or quotes source files: the output folder NAME beside it holds nothing
of the source but what is meant to leave.
"""

import contextlib
import errno
import json
from pathlib import Path

from medgan_tf.files import atomic_write_text


class CannotWrite(OSError):
    """The output folder cannot be written to: a reason to stop all work, unlike anything wrong with one file."""


@contextlib.contextmanager
def writing():
    """Turn an OSError into CannotWrite."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror) from error


@contextlib.contextmanager
def explain_write_errors(out_dir):
    """Turn CannotWrite into an OSError that names the folder and the remedy."""
    try:
        yield
    except CannotWrite as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "Free space and run it again" if full else "Make it writable, or give another folder"
        raise OSError(
            error.errno,
            f"The output folder {out_dir} cannot be written to ({error.strerror}). {remedy}: what is done is kept.",
        ) from error


def private_folder(out_dir):
    """Return the folder beside an output folder that holds what names source files."""
    out_dir = Path(out_dir)
    return out_dir.with_name(f"{out_dir.name}.private")


def refuse_other_settings(path, settings):
    """Write the settings of a run as JSON, or raise ValueError where the run that this one resumes had others."""
    text = json.dumps(settings, indent=2) + "\n"
    if not path.exists():
        with writing():
            atomic_write_text(path, text)
    before = json.loads(path.read_text(encoding="utf-8"))
    changed = " and ".join(name for name, value in json.loads(text).items() if value != before.get(name))
    if changed:
        raise ValueError(
            f"{path.parent} was made with another {changed}: give another output folder, or the same {changed} as "
            f"before (see {path.name})."
        )


def key(path, task):
    """Return the key of a record: a file, and the class and window that were asked for."""
    return json.dumps([path, task])


def stamp(path):
    """Return [size, time], which change when a file does; None where there is no such file."""
    try:
        state = Path(path).stat()
        return [state.st_size, state.st_mtime_ns]
    except OSError:
        return None


def read(path):
    """Return {key: record} of a journal; ignore a line that was cut off when a run was killed."""
    done = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                record = json.loads(line)
                done[key(record["path"], record["task"])] = record
    return done


def is_done(record, settings):
    """Return True if the file is unchanged, its output is still there and no review changed what becomes of it."""
    return (
        record is not None
        and record["stamp"] == stamp(record["path"])
        and not (record.get("review") and record["cleared"] != (record["sha256"] in settings.cleared))
        and all((settings.out_dir / row["file"]).exists() for row in record["rows"])
    )
