"""The images of a manifest, split by split, and batches of them that can resume at any image."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from PIL import Image
from tqdm import tqdm

from medgan_tf.config import sides
from medgan_tf.datasets.input_pipeline import without_autotune

from .manifests import assign_splits, check_splits, read_manifest


@dataclass(frozen=True)
class Split:
    """The images of one split: pixels (n, H, W, 1) uint8 or uint16, labels (n,) int32, patients and files (n,) str."""

    pixels: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    files: np.ndarray

    def __len__(self):
        return len(self.pixels)

    @property
    def images(self):
        """(n, H, W, 1) uint8, the depth of what generators draw: for all that sets one beside the other."""
        return self.pixels if self.pixels.dtype == np.uint8 else np.rint(self.pixels / 257).astype(np.uint8)

    def take(self, indices):
        """The split of these images."""
        return Split(**{name: part[indices] for name, part in vars(self).items()})

    @property
    def record(self):
        """For a model's record, whom it learnt from: counts, and a hash of the patients, without their names."""
        patients = sorted(set(self.patients))
        digest = hashlib.sha256("\n".join(patients).encode()).hexdigest()
        return {"images": len(self), "patients": len(patients), "patients_sha256": digest}

    def shuffled(self, seed=0):
        """The same images in random order."""
        return self.take(np.random.default_rng(seed).permutation(len(self)))

    def batches(self, batch_size, seed=0, start=0, balanced=False, of=1, mine=slice(0, 1)):
        """Endless tf.data.Dataset of (images (B, H, W, 1) float32 in [-1, 1], labels (B,) int32).

        They have the depth of the files. Every epoch is a new permutation, and the image at a position depends on the
        seed and that position alone: `start`, the number of images already seen, resumes the very sequence. Memory
        holds the integers once.
        balanced: the classes take turns, each with permutations of its own, instead of appearing by their frequency.
        of, mine: with `of` devices, device r takes the images r, r + of, r + 2 of, ... of each batch; the elements are
        then the shares (B / of, ...) of the devices in the slice `mine`, in turn.
        """
        import tensorflow as tf

        images, labels = tf.constant(self.pixels), tf.constant(self.labels)
        scale = 2.0 / np.iinfo(self.pixels.dtype).max

        def batch(chosen):
            return tf.cast(tf.gather(images, chosen), tf.float32) * scale - 1.0, tf.gather(labels, chosen)

        groups = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
        order = Order(groups if balanced else [np.arange(len(self))], seed)

        def chosen(first):
            indices = tf.numpy_function(lambda first: order(first, batch_size), [first], tf.int64)
            return tf.ensure_shape(indices, (batch_size,))

        firsts = tf.data.Dataset.range(start, np.iinfo(np.int64).max - batch_size, batch_size)
        indices = firsts.map(chosen)
        if of > 1:
            indices = indices.map(lambda whole: tf.transpose(tf.reshape(whole, (-1, of)))[mine]).unbatch()
        return without_autotune(indices.map(batch, num_parallel_calls=2).prefetch(2))


class Order:
    """Endless indices: groups take turns, each in permutation after permutation.

    Position p is the (p // groups)-th member that group p % groups shows, so any position is reached without a replay.
    """

    def __init__(self, groups, seed):
        self.groups, self.seed = groups, seed
        self._permutation = lru_cache(2 * len(groups))(self._draw)  # a batch may lie in two epochs

    def __call__(self, first, count):
        """(count,) int64 from position `first` on."""
        turns, numbers = np.divmod(np.arange(first, first + count), len(self.groups))
        return np.array([self._member(*pair) for pair in zip(numbers.tolist(), turns.tolist(), strict=True)], np.int64)

    def _member(self, number, turn):
        epoch, place = divmod(turn, len(self.groups[number]))
        return self._permutation(number, epoch)[place]

    def _draw(self, number, epoch):
        return np.random.default_rng((self.seed, number, epoch)).permutation(self.groups[number])


def join(splits):
    """The images of several splits as one, in their order."""
    return Split(*(np.concatenate([getattr(split, name) for split in splits]) for name in Split.__dataclass_fields__))


@dataclass(frozen=True)
class Images:
    """A prepared set: the manifest with its splits, read at image_size."""

    name: str
    manifest: pd.DataFrame
    root: Path
    image_size: int | tuple[int, int]

    @cached_property
    def classes(self):
        """Class names in the order of their labels."""
        return tuple(sorted(self.manifest["class"].unique()))

    @cached_property
    def train(self):
        """The split that models learn from."""
        return self._read("train")

    @cached_property
    def validation(self):
        """The split that choices are made on."""
        return self._read("validation")

    @cached_property
    def test(self):
        """The split that is looked at last."""
        return self._read("test")

    @cached_property
    def held_out(self):
        """Validation and test together: the real images that generators are measured against."""
        return join([self.validation, self.test])

    def reduced(self, count, seed=0):
        """The same set with at most `count` training images, of whole patients drawn at random; the rest stays."""
        train = self.manifest[self.manifest["split"] == "train"]
        patients = np.random.default_rng(seed).permutation(np.sort(train["patient"].unique()))
        images = train["patient"].value_counts()[patients].cumsum()
        left_out = train["patient"].isin(images.index[images > count])
        return replace(
            self, name=f"{self.name}, {count} training images", manifest=self.manifest.drop(train.index[left_out])
        )

    def with_shuffled_labels(self, seed=0):
        """The same set with the training images' classes dealt out at random: a control."""
        manifest = self.manifest.copy()
        train = manifest["split"] == "train"
        manifest.loc[train, "class"] = np.random.default_rng(seed).permutation(manifest.loc[train, "class"])
        return replace(self, name=f"{self.name}, labels shuffled", manifest=manifest)

    def _read(self, split):
        rows = self.manifest[self.manifest["split"] == split]
        return _read(rows, self.root, self.image_size, self.classes)


def load(image_dir, image_size=64, seed=0):
    """Read a folder of images (a manifest.csv, or class folders of JPG or PNG) into splits by patient.

    A manifest's own `split` column is kept where it is filled. Images are padded with black to the aspect of
    image_size, the pixels of a square's side or (height, width), and resized with antialiasing when a split is first
    used. Raises ValueError, with the remedy, for a folder without images or too few patients.
    """
    root = Path(image_dir)
    manifest = read_manifest(root)
    if manifest["split"].eq("").any():
        manifest = assign_splits(manifest, seed=seed)
    check_splits(manifest)
    return Images(root.resolve().name, manifest, root, image_size)


def read_folder(folder, image_size):
    """All images of a folder as one Split, whatever their splits, for measuring one folder against another."""
    manifest = read_manifest(folder)
    return _read(manifest, Path(folder), image_size, tuple(sorted(manifest["class"].unique())))


def _read(rows, root, image_size, classes):
    paths = [root / file for file in rows["file"]]
    read = Parallel(n_jobs=-1, prefer="threads")(
        delayed(read_image)(path, image_size) for path in tqdm(paths, "Reading images", leave=False)
    )
    if len({image.dtype for image in read}) > 1:
        raise ValueError(f"{root} mixes 8-bit and 16-bit images; convert it again with one format.")
    images = np.stack(read) if read else np.zeros((0, *sides(image_size), 1), np.uint8)
    labels = rows["class"].map({name: label for label, name in enumerate(classes)})
    return Split(images, labels.to_numpy(np.int32), rows["patient"].to_numpy(str), rows["file"].to_numpy(str))


def read_image(path, image_size):
    """(H, W, 1) uint8, or uint16 from a 16-bit PNG: luminance, padded to the aspect of image_size, antialiased."""
    height, width = sides(image_size)
    try:
        with Image.open(path) as image:
            deep = image.mode.startswith("I")
            image = image.convert("I" if deep else "L")
            if deep:
                image = image.convert("F")
            across, down = image.size
            padded = max(across, round(down * width / height)), max(down, round(across * height / width))
            canvas = Image.new(image.mode, padded)
            canvas.paste(image, ((padded[0] - across) // 2, (padded[1] - down) // 2))
            pixels = np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS))
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); remove it or mend it.") from error
    dtype = np.uint16 if deep else np.uint8
    return np.clip(np.rint(pixels), 0, np.iinfo(dtype).max).astype(dtype)[:, :, None]
