"""`prepare`: the manifest of a run, in which every image has a split that no later image changes."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from . import image_hashes
from .manifests import SPLITS, read_manifest, with_splits, write_manifest
from .reading import read_rows

COMPARED_SIZE = 64  # px at which images are compared
# Measured at that size: copies of X-rays of 256 px differ by 0.4 grey levels on average after JPG of quality 75, a
# tenth more brightness or halving; phantoms of different patients, which hashes alone take for copies, by 1.8 or more.
MOST_DIFFERENT = 1.0  # of 255 grey levels


def prepare(folders, out_dir, seed=0):
    """Write out_dir/manifest.csv with a split for every image of these folders; return the table.

    Files below out_dir are named relative to it, others by their full path. The same seed gives the same splits; a
    patient whom out_dir/manifest.csv names already keeps the split that it gives. Patients who share an image, equal
    or nearly so, are in one split, with a warning: one of them may be known by two names.
    """
    out_dir = Path(out_dir).resolve()
    tables = []
    for folder in (Path(folder).resolve() for folder in folders):
        table = read_manifest(folder)
        if folder == out_dir:  # without what an earlier call added, of folders that may be among these
            table = table[~table["file"].map(lambda file: Path(file).is_absolute())]
        else:
            table["file"] = [(folder / file).as_posix() for file in table["file"]]
        tables.append(table)
    manifest = pd.concat(tables, ignore_index=True).fillna("")
    if (out_dir / "manifest.csv").exists():
        before = dict(read_manifest(out_dir)[["patient", "split"]].to_numpy())
        kept = manifest["patient"].map(lambda patient: before.get(patient, ""))
        drawn = kept.isin(set(SPLITS) - set(manifest["split"]))  # from the training patients, where none was given
        free = manifest["split"].eq("") | (manifest["split"].eq("train") & drawn)
        manifest["split"] = manifest["split"].mask(free, kept)
    patients = manifest["patient"]
    manifest = with_splits(_joined(manifest, out_dir), seed).assign(patient=patients)
    write_manifest(manifest, out_dir)
    return manifest


def _joined(manifest, root):
    """A manifest in which patients who share an image have one name, and one split if any was given."""
    images = read_rows(manifest, root, COMPARED_SIZE, tuple(manifest["class"].unique()))
    codes, names = pd.factorize(manifest["patient"])
    pairs = [
        (one, other)
        for one, other in image_hashes.copies(images)
        if codes[one] != codes[other] and _difference(*images.pixels[[one, other]]) <= MOST_DIFFERENT
    ]
    if not pairs:
        return manifest
    files = [manifest["file"][index] for index in pairs[0]]
    warnings.warn(
        f"{len(pairs)} pairs of images are the same although their patients differ, such as {files[0]} and {files[1]}."
        " Their patients are kept in one split; look whether they are one patient.",
        stacklevel=3,
    )
    rows, columns = (codes[list(each)] for each in zip(*pairs, strict=True))
    links = coo_array(([1] * len(pairs), (rows, columns)), shape=(len(names), len(names)))
    group = pd.Series(connected_components(links, directed=False)[1][codes], manifest.index)
    first = manifest["patient"].groupby(group).transform("first")
    given = manifest["split"].map({split: place for place, split in enumerate(SPLITS)})
    last = given.groupby(group).transform("max")  # test before validation before train
    several = manifest["patient"].groupby(group).transform("nunique") > 1
    split = manifest["split"].mask(several & last.notna(), last.map(dict(enumerate(SPLITS))))
    return manifest.assign(patient=first, split=split)


def _difference(one, other):
    """How many of 255 grey levels two images (H, W, C) differ on average, with contrast and brightness fitted."""
    scale = 255 / np.iinfo(one.dtype).max
    one, other = (each - each.mean() for each in (one.astype(float) * scale, other.astype(float) * scale))
    return np.abs(other - one * ((one * other).sum() / max((one**2).sum(), 1e-9))).mean()
