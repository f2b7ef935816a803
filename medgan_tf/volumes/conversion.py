"""Convert folders of NIfTI volumes into slices: image files, masks beside them, and a manifest.

An output folder NAME holds `images/<class>/<name>`, `masks/<class>/<name>` and `manifest.csv`; beside it, NAME.private
holds what names source files: `rejected.csv` and the journal by which an interrupted conversion goes on.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medgan_tf.dicom import image_files, journal, parsing
from medgan_tf.dicom.batch import Batch
from medgan_tf.dicom.pseudonyms import load_key, pseudonym
from medgan_tf.dicom.review import write_sheets
from medgan_tf.sources import last_splits

from .find_files import find_files
from .reading import VolumeError, read_volume
from .slicing import PLANES, chosen_slices, picture, pixel_aspect, window_of

COLUMNS = [
    *("file", "class", "patient", "volume", "plane", "slice", "time", "width", "height", "window", "mask", "notes"),
    *("source_sha256", "split"),
]
KEPT = ("all", "foreground", "mask")


@dataclass(frozen=True)
class SliceSettings:
    """What the slices of one output folder have in common."""

    out_dir: Path
    key: bytes
    image_size: int | tuple[int, int]
    format: str
    plane: str
    every: int
    keep: str
    window: object
    crop: bool


@dataclass(frozen=True)
class Report:
    """What `convert` did: numbers of slices, of volumes they come from, and of files left out."""

    slices: int
    volumes: int
    rejected: int
    manifest: Path

    def __str__(self):
        private = journal.private_folder(self.manifest.parent)
        return (
            f"{self.slices} slices of {self.volumes} volumes; {self.rejected} files left out, see"
            f" {private / 'rejected.csv'}. Manifest: {self.manifest}"
        )


def convert(
    sources, out_dir, image_size=256, format="png", plane="axial", every=1, keep="foreground", window="auto", crop=False
):
    """Slice the NIfTI volumes in `sources` into grey images of one size in `out_dir`; return a Report.

    sources: one or several folders (searched recursively) or files. The first folder below is the class, as everywhere
        (`sources.places`); files that differ in the name of a sequence alone are of one patient.
    image_size, format, crop: as in `dicom.convert`; "png16" keeps 16 bits.
    plane: "axial", "coronal" or "sagittal"; every: of how many slices one is taken.
    keep: which of them: "all", those with enough "foreground", or those in which the "mask" marks something.
    window: "auto", robust and one for a whole volume; for CT the name of one of `dicom.WINDOWS`, or (center, width).

    Volumes over time give the slices of each time. A rerun does only what is missing. Raises FileNotFoundError or
    ValueError for sources or settings that cannot be used, and OSError where `out_dir` cannot be written to.

    >>> report = convert("brains", "outputs/slices", image_size=128, every=4)
    """
    out_dir = Path(out_dir).absolute()
    if plane not in PLANES or keep not in KEPT:
        raise ValueError(f"A plane is one of {', '.join(PLANES)}, slices to keep one of {', '.join(KEPT)}.")
    settings = SliceSettings(out_dir, load_key(), image_size, format, plane, every, keep, window, crop)
    sources = [sources] if isinstance(sources, (str, Path)) else sources
    found, left_out = find_files(sources, [out_dir, journal.private_folder(out_dir)])
    stated = {name: getattr(settings, name) for name in ("image_size", "format", "plane", "every", "keep", "window")}
    with journal.explain_write_errors(out_dir):
        journal.refuse_other_settings(out_dir / "convert.json", stated | {"crop": crop})
        with Batch(slice_file, settings) as batch:
            records = batch.run({path: (each.class_name, each.subject, each.mask) for path, each in found.items()})
        split_of = last_splits((each.subject, each.split) for each in found.values())
        for path, each in found.items():
            for row in records[path]["rows"]:
                row["split"] = split_of[each.subject]
        records |= {path: {"sha256": "", "rows": [], "rejected": [why]} for path, why in left_out.items()}
        rows, rejected, _ = write_sheets(records, COLUMNS, settings, "images/*/*")
    volumes = Counter(row["volume"] for row in rows)
    return Report(len(rows), len(volumes), rejected, out_dir / "manifest.csv")


def slice_file(path, class_name, subject, mask, settings, slices=None):
    """Slice one volume and return its record, as `batch.Batch` wants it; it runs in a child process."""
    record = {"sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(), "rows": [], "rejected": []}
    try:
        record["rows"] = list(_slices(path, class_name, subject, mask, record["sha256"], settings))
    except journal.CannotWrite:
        raise
    except VolumeError as error:
        record["rejected"] = [str(error)]
    except Exception as error:  # malformed headers may raise anything anywhere
        record["rejected"] = [parsing.reason(error)]
    return record


def _slices(path, class_name, subject, mask, sha256, settings):
    """Write the slices of a volume; yield a row of the manifest for each."""
    volume, plane = read_volume(path), settings.plane
    marks, notes = _read_mask(mask, volume, settings.keep)
    aspect, name = pixel_aspect(volume.spacing, plane), pseudonym(settings.key, "volume", sha256)
    common = {"class": class_name, "patient": pseudonym(settings.key, "patient", subject), "volume": name}
    common |= {"plane": plane, "notes": "; ".join([*volume.notes, *notes]), "source_sha256": sha256, "split": ""}
    empty = True
    for time in range(volume.values.shape[3]):
        values = volume.values[..., time]
        window = window_of(values, settings.window)
        grey = window(values).astype(np.float32)
        for index in chosen_slices(grey, plane, settings.every, settings.keep, marks):
            shown = picture(grey, plane, index)
            if shown.min() == shown.max():
                continue
            empty = False
            place = f"{class_name}/{common['patient'][:8]}-{name[:8]}-{time + 1:03d}-{index + 1:04d}"
            row = {"file": f"images/{place}{image_files.SUFFIXES[settings.format]}", "mask": ""}
            _save(shown, aspect, settings.out_dir / row["file"], settings)
            if marks is not None:
                row["mask"] = f"masks/{place}.png"
                _save(picture(marks, plane, index), aspect, settings.out_dir / row["mask"], settings, is_mask=True)
            row |= {"slice": index + 1, "time": time + 1, "window": str(window)}
            yield common | row | {"width": shown.shape[1], "height": shown.shape[0]}
    if empty:
        raise VolumeError("shows nothing in any slice that was asked for")


def _save(image, aspect, path, settings, is_mask=False):
    fitted = image_files.fit(np.ascontiguousarray(image), aspect, settings.image_size, settings.crop, is_mask)
    image_files.save(fitted, path, "png" if is_mask else settings.format)


def _read_mask(path, volume, keep):
    """(labels (X, Y, Z) float32 / 255 or None, notes on a mask that cannot be used)."""
    if path is None:
        if keep == "mask":
            raise VolumeError("has no mask beside it")
        return None, []
    mask = read_volume(path)
    labels = mask.values[..., 0]
    if labels.shape != volume.values.shape[:3] or not np.allclose(mask.affine, volume.affine, atol=0.1):
        why = "its mask lies on another grid, so it is left out"
    elif labels.min() < 0 or labels.max() > 255 or (labels != np.rint(labels)).any():
        why = "its mask has other values than whole numbers to 255, so it is left out"
    else:
        return labels / 255, []
    if keep == "mask":
        raise VolumeError(why)
    return None, [why]
