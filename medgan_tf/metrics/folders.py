"""`evaluate` on folders of images, read at one size and encoded alike."""

from pathlib import Path

from PIL import Image

from medgan_tf import datasets

from .encoding import alike, encodings, reencode
from .evaluate import evaluate, evaluate_classes


def evaluate_folders(real, fake, extractor, image_size=None, training=None, by_class=False):
    """(records, by class) of one folder of images against another: see `evaluate` and `evaluate_classes`.

    Folders hold class folders of JPG or PNG, or a manifest.csv with patients; all are read at image_size pixels, by
    default those of the larger side of the first synthetic image.
    Where both have the same classes, labels are used, and with by_class each class is also measured by itself;
    the second part is {} otherwise. training: a folder of what the generator learned from, for `copies`. Every record
    also has jpg_quality, that of the encoding which both sides were given, or None: see `encoding.alike`.
    Raises ValueError for folders that cannot be read or compared.
    """
    if image_size is None:
        with Image.open(Path(fake) / datasets.read_manifest(fake)["file"].iloc[0]) as first:
            image_size = max(first.size)
    splits = [datasets.read_folder(folder, image_size) for folder in (real, fake)]
    names = [sorted(datasets.read_manifest(folder)["class"].unique()) for folder in (real, fake)]
    found = [_encodings(folder, split, image_size) for folder, split in zip((real, fake), splits, strict=True)]
    real_images, fake_images, quality = alike(*(split.images for split in splits), *found)
    learned = None if training is None else datasets.read_folder(training, image_size).images
    if learned is not None and quality is not None:
        learned = reencode(learned, quality)
    labels = [split.labels for split in splits] if names[0] == names[1] and len(names[0]) > 1 else [None, None]
    patients = splits[0].patients
    records = evaluate(real_images, fake_images, extractor, *labels, patients, training=learned)
    classes = {}
    if by_class and labels[0] is not None:
        classes = evaluate_classes(real_images, fake_images, extractor, names[0], *labels, patients, training=learned)
    for measured in (records, *classes.values()):
        for record in measured.values():
            if isinstance(record, dict):  # not the number of images of a class that has too few
                record["jpg_quality"] = quality
    return records, classes


def _encodings(folder, split, image_size):
    return encodings([Path(folder) / file for file in split.files], image_size)
