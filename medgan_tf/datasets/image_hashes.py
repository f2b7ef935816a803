"""Hashes of images, exact and perceptual, by which a model says what it was trained on without showing it.

A hash does not give the image back, but whoever has an image can tell from the hashes that a model was trained on it.

An image has 40 bytes: the first 8 of the SHA-256 of its pixels, and 256 bits for the signs of some of its frequencies
(a perceptual hash after Zauner 2010, pHash). A copy of another size, JPG quality, brightness or contrast has the same
signs, except of frequencies with next to no amplitude. A copy that was shifted, cropped, mirrored or padded to another
aspect has other signs and is not found; images smaller than 20 px are found at their own size only.
"""

import hashlib

import numpy as np
from scipy.fft import dctn

from medgan_tf.files import atomic_write

FILE = "training_images.npy"  # in the folder of a model: the rows of `hash_images`, sorted, of all images that it saw
EXACT = 8  # bytes
BAND = slice(4, 20)  # in both directions; lower frequencies hold what all images of one kind have in common
# In a copy, frequencies with at most this share of the band's amplitude have another sign. Measured at 28 to 224 px:
# between images of different patients (7,841 X-rays of children's chests, adults' chests and knees) the share is at
# least 0.068; between 1,048 phantoms, which are more alike, at least 0.0199. It is above the limit in none of the
# copies of chests with JPG of quality 75 or a tenth more brightness or contrast, and in 4% of those of knees, whose
# background is flat.
MAX_SHARE = 0.015
FLAT = 1e-6  # coefficients below it are rounding errors


def hash_images(images):
    """(N, 40) uint8: a row for each image of an `ImageSet`, of its pixels as they were read."""
    signs = np.packbits(_frequencies(images) > 0, axis=1)
    return np.concatenate([_exact(images), signs], axis=1)


def write(hashes, path):
    """Write rows of `hash_images` to one file, each row once and sorted, so that their order says nothing."""

    def save(temporary):
        with temporary.open("wb") as file:  # np.save would add a suffix to the name
            np.save(file, np.unique(hashes, axis=0))

    atomic_write(path, save)


def read(path):
    """(N, 40) uint8 of a file of `write`. Raises ValueError if it is damaged."""
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}); train or fetch this model again.") from error


def find(images, known):
    """Indices of the images of an `ImageSet` that are among the `known`, hashes (M, 40), or are copies of them."""
    return np.union1d(find_same(images, known), np.flatnonzero(_shares(images, known) <= MAX_SHARE))


def find_same(images, known):
    """Indices of the images of an `ImageSet` whose very pixels are among the `known`, hashes (M, 40)."""
    same = np.isin(*(rows[:, :EXACT].copy().view(np.uint64)[:, 0] for rows in (_exact(images), known)))
    return np.flatnonzero(same)


def copies(images):
    """[(i, j)] of the images of an `ImageSet` of which one is the other or a copy of it, i < j."""
    frequencies, exact = _frequencies(images), _exact(images).copy().view(np.uint64)[:, 0]
    signs = np.where(frequencies > 0, np.float32(1), np.float32(-1))
    normalised, found = _normalised(frequencies), []
    for first in range(0, len(images), 1000):
        part = slice(first, first + 1000)
        alike = (1 - normalised[part] @ signs.T) / 2 <= MAX_SHARE
        alike |= exact[part, None] == exact
        found += [(first + i, j) for i, j in np.argwhere(alike).tolist() if first + i < j]
    return found


def _shares(images, known):
    """(N,) the share of each image's amplitude whose sign differs from the known image that is most like it.

    1 for a flat image, of which all others would be copies.
    """
    frequencies = _normalised(_frequencies(images))
    nearest = np.ones(len(images))
    for first in range(0, len(known), 10_000):  # so that memory stays small
        signs = np.unpackbits(known[first : first + 10_000, EXACT:], axis=1) * np.float32(2) - 1
        nearest = np.minimum(nearest, (1 - (frequencies @ signs.T).max(axis=1)) / 2)
    return nearest


def _normalised(frequencies):
    """Frequencies (N, 256) divided by their amplitude; 0 for a flat image, which is then half unlike every other."""
    amplitudes = np.abs(frequencies).sum(axis=1, keepdims=True)
    return np.where(amplitudes > FLAT, frequencies / np.maximum(amplitudes, FLAT), 0)


def _exact(images):
    """(N, 8) uint8."""
    digests = b"".join(hashlib.sha256(image.tobytes()).digest()[:EXACT] for image in images.pixels)
    return np.frombuffer(digests, np.uint8).reshape(len(images), EXACT)


def _frequencies(images):
    """(N, 256) float32: the cosine transform in BAND, 0 where an image has too few pixels or is flat."""
    side = BAND.stop - BAND.start
    found = np.zeros((len(images), side, side), np.float32)
    for image, target in zip(images.pixels, found, strict=True):
        part = dctn(image.mean(-1, np.float64), norm="ortho")[BAND, BAND]
        target[: part.shape[0], : part.shape[1]] = np.where(np.abs(part) > FLAT, part, 0)
    return found.reshape(len(images), -1)
