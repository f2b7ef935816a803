"""All variables of a training in one file, and files that a killed run leaves whole."""

import zipfile
from pathlib import Path

import numpy as np


def save(path, variables):
    """Write {name: variable} to one .npz file."""
    values = {name: variable.numpy() for name, variable in variables.items()}

    def write(unfinished):
        with unfinished.open("wb") as file:
            np.savez(file, **values)

    replace(path, write)


def read(path):
    """{name: array} of save's file. Raises ValueError if it is damaged."""
    try:
        with np.load(path) as values:
            return {name: values[name] for name in values.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to train from the start.") from error


def load(path, variables):
    """Set {name: variable} from save's file. Raises ValueError if names or shapes differ or the file is damaged."""
    stored = read(path)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    if shapes != {name: value.shape for name, value in stored.items()}:
        raise ValueError(f"{path} holds the state of another model; train into another folder or delete it.")
    for name, variable in variables.items():
        variable.assign(stored[name])


def replace(path, write):
    """Write a file beside `path`, then put it in its place: a killed run leaves the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".unfinished-{path.name}")
    write(unfinished)
    unfinished.replace(path)
