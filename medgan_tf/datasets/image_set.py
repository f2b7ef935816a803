"""`ImageSet`: images with their labels, patients and encoding, and batches of them that can resume at any image."""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from medgan_tf.config import size_of

from .encoding import LOSSLESS, reencode
from .input_pipeline import without_autotune

PER_IMAGE = ("pixels", "labels", "patients", "files", "encoding")


@dataclass(frozen=True)
class ImageSet:
    """N images with what is known of each. What is not known is None, and `classes` is then empty.

    >>> real = ImageSet(pixels, labels=[0, 0, 1], classes=("normal", "pneumonia"), patients=["p1", "p1", "p2"])
    """

    pixels: np.ndarray  # (N, H, W, C) uint8 or uint16; one channel is grey, three are RGB
    labels: np.ndarray | None = None  # (N,) int32, indices into `classes`
    patients: np.ndarray | None = None  # (N,)
    files: np.ndarray | None = None  # (N,) str
    classes: tuple = ()  # names of the labels
    encoding: np.ndarray | int = LOSSLESS  # (N,) JPG quality of each file, 0 for lossless; or one for all

    def __post_init__(self):
        pixels = self.pixels
        if pixels.ndim != 4 or pixels.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"images must be uint8 or uint16 (N, H, W, C), not {pixels.dtype} {pixels.shape}")
        arrays = {name: getattr(self, name) for name in PER_IMAGE}
        if np.ndim(self.encoding) == 0:
            arrays["encoding"] = np.broadcast_to(self.encoding, len(pixels))
        for name, array in arrays.items():
            if array is not None and len(array) != len(pixels):
                raise ValueError(f"{name} has {len(array)} entries for {len(pixels)} images")
            object.__setattr__(self, name, array if array is None else np.asarray(array))
        object.__setattr__(self, "classes", tuple(self.classes))

    def __len__(self):
        return len(self.pixels)

    @property
    def images(self):
        """(N, H, W, C) uint8: the pixels in the depth that generators draw, for comparing real with synthetic."""
        return self.pixels if self.pixels.dtype == np.uint8 else np.rint(self.pixels / 257).astype(np.uint8)

    @property
    def image_size(self):
        """Pixels of a square's side, (height, width), or for colour (height, width, channels)."""
        return size_of(self.pixels.shape[1:])

    @property
    def jpg_quality(self):
        """The lowest JPG quality among the images, 1 to 100; None if all are lossless."""
        lossy = self.encoding[self.encoding != LOSSLESS]
        return int(lossy.min()) if len(lossy) else None

    @property
    def record(self):
        """Counts and a hash of the patients' names, by which a model's record says what it was trained on."""
        patients = sorted(set(self.patients))
        digest = hashlib.sha256("\n".join(patients).encode()).hexdigest()
        return {"images": len(self), "patients": len(patients), "patients_sha256": digest}

    def take(self, indices):
        """The subset of these images; indices, a mask or a slice."""
        arrays = {name: getattr(self, name) for name in PER_IMAGE}
        return replace(self, **{name: array[indices] for name, array in arrays.items() if array is not None})

    def shuffled(self, seed=0):
        """The same images in random order."""
        return self.take(np.random.default_rng(seed).permutation(len(self)))

    def without_labels(self):
        """The same images without labels and classes."""
        return replace(self, labels=None, classes=())

    def as_jpg(self, quality):
        """The images as if all had been saved as JPG of this quality; unchanged if they were, or if it is None."""
        if quality is None or (self.encoding == quality).all():
            return self
        return replace(self, pixels=reencode(self.images, quality), encoding=quality)

    def batches(self, batch_size, seed=0, start=0, balanced=False, of=1, mine=slice(0, 1)):
        """Endless tf.data.Dataset of (images (B, H, W, C) float32 in [-1, 1], labels (B,) int32).

        Pixels keep the depth of the files. Every epoch is a new permutation, and which image stands at a position
        depends on the seed and that position alone: `start`, the number of images already seen, resumes the same
        sequence. Memory holds the integers once.
        balanced: the classes take turns, each with permutations of its own, instead of appearing by their frequency.
        of, mine: with `of` devices, device r takes the images r, r + of, r + 2 of, ... of each batch; the elements are
        then the parts (B / of, ...) of the devices in the slice `mine`, one after the other.
        """
        import tensorflow as tf

        images, labels = tf.constant(self.pixels), tf.constant(self.labels)
        scale = 2.0 / np.iinfo(self.pixels.dtype).max

        def batch(chosen):
            return tf.cast(tf.gather(images, chosen), tf.float32) * scale - 1.0, tf.gather(labels, chosen)

        groups = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
        order = _Order(groups if balanced else [np.arange(len(self))], seed)

        def chosen(first):
            indices = tf.numpy_function(lambda first: order(first, batch_size), [first], tf.int64)
            return tf.ensure_shape(indices, (batch_size,))

        firsts = tf.data.Dataset.range(start, np.iinfo(np.int64).max - batch_size, batch_size)
        indices = firsts.map(chosen)
        if of > 1:
            indices = indices.map(lambda whole: tf.transpose(tf.reshape(whole, (-1, of)))[mine]).unbatch()
        return without_autotune(indices.map(batch, num_parallel_calls=2).prefetch(2))


class _Order:
    """An endless sequence of indices in which groups take turns, each in permutation after permutation.

    Position p holds member p // groups of group p % groups, so any position is reached without replaying the others.
    """

    def __init__(self, groups, seed):
        self.groups, self.seed = groups, seed
        self._permutation = lru_cache(2 * len(groups))(self._draw)  # a batch may lie in two epochs

    def __call__(self, first, count):
        """(count,) int64 indices from position `first` on."""
        return np.array([self._member(position) for position in range(first, first + count)], np.int64)

    def _member(self, position):
        turn, number = divmod(position, len(self.groups))
        epoch, place = divmod(turn, len(self.groups[number]))
        return self._permutation(number, epoch)[place]

    def _draw(self, number, epoch):
        return np.random.default_rng((self.seed, number, epoch)).permutation(self.groups[number])


def join(image_sets):
    """The images of several sets of the same classes as one set, in their order."""
    columns = {name: [getattr(each, name) for each in image_sets] for name in PER_IMAGE}
    known = {name: np.concatenate(arrays) for name, arrays in columns.items() if all(a is not None for a in arrays)}
    return ImageSet(**known, classes=image_sets[0].classes)
