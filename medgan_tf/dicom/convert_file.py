"""Convert one DICOM file, in a child process: pixels to images of one size, identifiers to pseudonyms."""

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from medgan_tf.dicom import image_files
from medgan_tf.dicom.batch import record_of_file
from medgan_tf.dicom.burned_in import Extremes
from medgan_tf.dicom.find_files import other_kind
from medgan_tf.dicom.grey_levels import Window, choose_window, own_view, to_grey
from medgan_tf.dicom.parsing import DicomError
from medgan_tf.dicom.pixels import stored_frames
from medgan_tf.dicom.pseudonyms import pseudonyms_of
from medgan_tf.dicom.review import hold_back
from medgan_tf.sources import read_labels, shows_colour


@dataclass(frozen=True)
class ConversionSettings:
    """What the images of one output folder have in common."""

    out_dir: Path
    key: bytes
    image_size: int | tuple[int, int] = 256
    format: str = "jpg"
    window: object = "auto"
    crop: bool = False
    patient_labels: Path | None = None
    cleared: frozenset = frozenset()  # sha256 of the files whose pixels a person has found free of identifying text


def convert_file(path, class_name, window, settings, slices=None):
    """Convert one file and return its record, a dict that JSON can hold.

    class_name: None where the patient decides. window: None, or the arguments of the automatic Window that the file's
    series agreed on; such a file was searched for text before. slices: as in `review.hold_back`. Besides what every
    record holds (see `batch.Batch`) it has `series`, `quantiles` (of the grey values, where the window was automatic)
    and what `review.hold_back` returns. Raises CannotWrite.
    """
    return record_of_file(path, partial(_convert_frames, class_name, window, settings, slices))


def _convert_frames(class_name, window, settings, slices, header, sha256):
    """Write one image per frame; all or, where a later frame turns out broken, none."""
    if kind := other_kind(header.dataset):
        raise DicomError(f"is {kind}")
    if class_name is None:
        class_name = read_labels(settings.patient_labels)[1].get(header.patient)
    if not class_name:
        raise DicomError("has no class in the labels")
    names = pseudonyms_of(header, sha256, settings.key)
    instance = names.pop("instance")
    frames, view, quantiles = choose_window(header, stored_frames(header), settings.window, digits=9)
    extra = {} if quantiles is None else {"quantiles": quantiles}
    if window:
        view = Window(*window, instead_of=str(own_view(header.first_frame) or ""))
    name = f"images/{class_name}/{names['patient'][:8]}-{names['series'][:8]}-{instance}"
    rows, blank, extremes = [], defaultdict(list), Extremes.of_frames(header.frame_count)
    try:
        for index, (stored, frame) in enumerate(frames):
            if stored.min() == stored.max():
                blank["all pixels have one value"].append(index + 1)
                continue
            image, picture, window_name = _shown(header, stored, frame, view, settings.format)
            if image.min() == image.max():
                blank[f"the window {window_name} shows one grey level only"].append(index + 1)
                continue
            extremes.add(image)
            file = f"{name}-{index + 1:04d}{image_files.SUFFIXES[settings.format]}"
            picture = image_files.fit(picture, frame.pixel_aspect, settings.image_size, settings.crop)
            image_files.save(picture, settings.out_dir / file, settings.format)
            row = {"file": file, "class": class_name, **names, "modality": header.standard_modality}
            row |= {"width": stored.shape[1], "height": stored.shape[0], "window": window_name}
            rows.append(row | {"source_sha256": sha256, "split": ""})
        held = {} if window else hold_back(header, extremes, sha256, settings, slices)
    except BaseException:
        _remove(rows, settings)
        raise
    if held and not held["cleared"]:
        _remove(rows, settings)
        rows = []
    rejected = [_blank_frames(reason, numbers, index + 1) for reason, numbers in blank.items()]
    return extra | held | {"rows": rows, "rejected": rejected, "series": names["series"]}


def _shown(header, stored, frame, view, format):
    """(grey float32 (H, W) that is searched for text, what is saved, the window's name) of a stored frame.

    What is saved has three channels where the frame shows colours, or where three windows are asked for.
    """
    if isinstance(view, tuple) and isinstance(view[0], str):
        channels, names = zip(*(to_grey(header, stored, frame, window) for window in view), strict=True)
        picture = np.stack(channels, axis=-1)
        return picture.mean(-1), picture, ", ".join(names)
    image, name = to_grey(header, stored, frame, view)
    in_colour = header.is_colour and format != "png16" and shows_colour(255 * stored)
    return image, stored if in_colour else image, name


def _remove(rows, settings):
    for row in rows:
        (settings.out_dir / row["file"]).unlink(missing_ok=True)


def _blank_frames(reason, numbers, count):
    """Say in one sentence for which frames a reason holds."""
    if count == 1:
        return reason
    if len(numbers) == count:
        return f"in every frame {reason}"
    return f"in frame{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} of {count} {reason}"
