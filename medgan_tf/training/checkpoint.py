"""All variables of a training in one file, and the names of the files in its folder."""

import zipfile

import numpy as np

from medgan_tf.files import atomic_write

RECORD, STATE, LOG, WEIGHTS = "model.json", "state.npz", "log.csv", "generator.weights.h5"
DISCRIMINATOR = "discriminator.weights.h5"  # of a published model; a run has its discriminator in STATE


def save(path, variables):
    """Write {name: variable} to one .npz file."""
    values = {name: variable.numpy() for name, variable in variables.items()}
    atomic_write(path, lambda temporary: np.savez(temporary, **values))


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
