"""What `evaluate` measures, from wherever it is: arrays, .npy files, folders of images, manifests."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from medgan_tf import datasets

from .encoding import LOSSLESS, encodings, match_encoding, reencode


@dataclass(frozen=True)
class Side:
    """Images uint8 (N, H, W, 1) with what is known of them: labels (N,) into `classes`, patients (N,), files."""

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple = ()
    patients: np.ndarray | None = None
    encodings: dict | None = None  # None: they come from memory

    def known(self, labels=None, classes=None, patients=None):
        """This side with what else is known of it, which goes before what the files say."""
        if labels is not None:
            self = replace(self, labels=labels, classes=tuple(classes or ()))
        return self if patients is None else replace(self, patients=patients)


def folder_of(path):
    """The folder of images that a path means, which may be that of its manifest.csv."""
    path = Path(path)
    return path.parent if path.name == "manifest.csv" else path


def from_files(source):
    """Whether a path is to be read as images; a path to an .npy file is as good as the array in it."""
    return isinstance(source, str | Path) and Path(source).suffix != ".npy"


def read_sides(real, fake, training=None, image_size=None):
    """(real, fake, training, quality): both as `Side`, encoded alike, and training images or None.

    Each of the three is an array or a path: of a folder that holds class folders of JPG or PNG, or a manifest.csv with
    patients, or of the manifest.csv itself, or of an .npy file, uint8 (N, H, W) or (N, H, W, 1). Images are read at
    image_size, by default that of an array or else of the first synthetic image. Where one side comes from files,
    arrays count as lossless and `encoding.alike` gives both one encoding, of that quality; arrays alone are left as
    they are. Raises ValueError for what cannot be read.
    """
    real, fake, training = (_loaded(source) for source in (real, fake, training))
    if image_size is None:
        image_size = _size(real, fake)
    sides = [_side(source, image_size) for source in (real, fake)]
    quality = None
    if any(side.encodings for side in sides):
        *images, quality = match_encoding(
            *(side.images for side in sides), *(side.encodings or LOSSLESS for side in sides)
        )
        sides = [replace(side, images=own) for side, own in zip(sides, images, strict=True)]
    if training is not None:
        training = _side(training, image_size).images
        training = training if quality is None else reencode(training, quality)
    return *sides, training, quality


def _loaded(source):
    if source is None or from_files(source):
        return source
    array = np.load(source) if isinstance(source, str | Path) else np.asarray(source)
    return array[..., None] if array.ndim == 3 and isinstance(source, str | Path) else array


def _size(real, fake):
    arrays = [source for source in (fake, real) if not from_files(source)]
    if arrays:
        height, width = arrays[0].shape[1:3]
        return height if height == width else (height, width)
    folder = folder_of(fake)
    with Image.open(folder / datasets.read_manifest(folder)["file"].iloc[0]) as first:
        return first.size[::-1]


def _side(source, image_size):
    if not from_files(source):
        return Side(source)
    folder = folder_of(source)
    split = datasets.read_folder(folder, image_size)
    classes = tuple(sorted(datasets.read_manifest(folder)["class"].unique()))
    found = encodings([folder / file for file in split.files], image_size)
    return Side(split.images, split.labels, classes, split.patients, found)
