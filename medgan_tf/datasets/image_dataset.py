"""`load`: a prepared folder of images as training, validation and test sets without a common patient."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from .image_set import join
from .manifests import read_manifest, with_splits
from .reading import read_rows, with_channels


@dataclass(frozen=True)
class ImageDataset:
    """A manifest with its splits. Each split is an `ImageSet`, read at image_size when it is first used."""

    name: str
    manifest: pd.DataFrame
    root: Path
    image_size: int | tuple[int, ...]

    @cached_property
    def classes(self):
        """Class names in the order of their labels."""
        return tuple(sorted(self.manifest["class"].unique()))

    @cached_property
    def train(self):
        """The images that models learn from."""
        return self._read("train")

    @cached_property
    def validation(self):
        """The images that choices are made on."""
        return self._read("validation")

    @cached_property
    def test(self):
        """The images for the final measurement."""
        return self._read("test")

    @cached_property
    def held_out(self):
        """Validation and test images together: the real images that generators are measured against."""
        return join([self.validation, self.test])

    def reduced(self, count, seed=0):
        """The same dataset with at most `count` training images, of whole patients drawn at random."""
        train = self.manifest[self.manifest["split"] == "train"]
        patients = np.random.default_rng(seed).permutation(np.sort(train["patient"].unique()))
        images = train["patient"].value_counts()[patients].cumsum()
        left_out = train["patient"].isin(images.index[images > count])
        kept = self.manifest.drop(train.index[left_out])
        return replace(self, name=f"{self.name}, {count} training images", manifest=kept)

    def with_shuffled_labels(self, seed=0):
        """The same dataset with the classes of the training images permuted at random, as a control."""
        manifest = self.manifest.copy()
        train = manifest["split"] == "train"
        manifest.loc[train, "class"] = np.random.default_rng(seed).permutation(manifest.loc[train, "class"])
        return replace(self, name=f"{self.name}, labels shuffled", manifest=manifest)

    def _read(self, split):
        rows = self.manifest[self.manifest["split"] == split]
        return read_rows(rows, self.root, self.image_size, self.classes)


def load(image_dir, image_size=64, seed=0):
    """An `ImageDataset` of a folder (a manifest.csv, or class folders of JPG or PNG files), split by patient.

    A manifest's own `split` column is kept where it is filled. Images are padded with black to the aspect ratio of
    image_size and resized with antialiasing when a split is first used. Where image_size names no channels, they are in
    colour if most files show some. Raises ValueError, with the remedy, for a folder without images or with too few
    patients.

    >>> data = datasets.load("outputs/demo/images", 64)
    >>> data.train.images.shape, data.classes
    """
    root = Path(image_dir)
    manifest = with_splits(read_manifest(root), seed)
    return ImageDataset(root.resolve().name, manifest, root, with_channels(image_size, manifest["file"], root))
