"""A reader of phantoms: a small network, taught on fresh phantoms, that finds lungs, heart and lesions in images.

With it, generated phantoms are checked by rule, as Kelkar et al. (IEEE TMI 2023) do: two lungs, the heart on the
patient's left, nodules where nodules were asked for and inside a lung. Its own errors are in `Reader.report`: what it
says of generated images is no better than these.
"""

import hashlib
import json
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf.phantoms.segmenter import network

from .report import report
from .rules import COLUMNS, COVERED, choose_thresholds, describe
from .truth import CHANNELS, fresh_images, truth_masks

BATCH = 64
PARTS = ("fit", "fit", "held_out", "fit", "thresholds", "fit", "fit", "held_out", "fit", "fit")  # patients in turn


@dataclass(frozen=True)
class PhantomSegmenter:
    """Reads phantoms with `read(images)`; `report` says how well, on patients that it never saw."""

    model: object  # keras.Model: (B, S, S, 1) in [-1, 1] -> logits (B, S, S, 6)
    image_size: int
    thresholds: dict
    report: dict = field(default_factory=dict)

    def maps(self, images):
        """Images uint8 (N, H, W, 1) -> float32 (N, S, S, 6), the probability of every structure of `CHANNELS`."""
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 1:
            raise ValueError(f"The reader takes images uint8 (N, H, W, 1), not {images.dtype} {images.shape}.")
        maps = np.zeros((len(images), self.image_size, self.image_size, len(CHANNELS)), np.float32)
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            logits = self.model(network.scaled(images[part], self.image_size), training=False)
            maps[part] = 1 / (1 + np.exp(-logits.numpy()))
        return maps

    def read(self, images):
        """Images uint8 (N, H, W, 1) -> DataFrame, one row an image; raises ValueError for other arrays.

        lungs: number of separate regions of lung. right_lung_area, left_lung_area: shares of the image; sides are the
        patient's, right on the image's left. heart_left: whether the heart's centre lies to the image's right of the
        lungs' middle; False where a lung or the heart is missing. nodules: their number, nodule_sizes their diameters,
        nodule_places their (x, y), as shares of the image's side. lesions_inside: no nodule's centre lies more than a
        pixel outside the lungs, so it is True where there is none. pneumonia: number of patches. effusion: whether
        there is fluid.
        """
        return self._described(self.maps(images))

    def _described(self, maps):
        return pd.DataFrame([describe(m, self.thresholds) for m in maps], columns=COLUMNS)

    def save(self, folder):
        """Write reader.keras and reader.json (size, thresholds, report, hash of the weights) into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "reader.keras")
        record = {name: getattr(self, name) for name in ("image_size", "thresholds", "report")}
        record["weights_sha256"] = weights_hash(self.model)
        (folder / "reader.json").write_text(json.dumps(record, indent=2) + "\n")


def load_segmenter(folder):
    """The reader that `Reader.save` wrote.

    Raises FileNotFoundError where there is none, ValueError where its files are damaged or do not belong together.
    """
    import keras

    folder = Path(folder)
    for name in ("reader.keras", "reader.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"There is no {name} in {folder}: train a reader and save it there.")
    try:
        record = json.loads((folder / "reader.json").read_text())
        model = keras.saving.load_model(folder / "reader.keras", compile=False)
        whole = weights_hash(model) == record.pop("weights_sha256")
        reader = PhantomSegmenter(model, **record)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"The reader in {folder} is damaged ({reason}): train and save it again.") from error
    if not whole:
        raise ValueError(f"The weights in {folder}/reader.keras are not those of reader.json: train the reader again.")
    return reader


def segmenter_in(folder, read_image, image_size=64, patients=600, steps=None):
    """The reader in `folder`; where there is none yet, one is trained as by `train_reader` and saved there."""
    if not (Path(folder) / "reader.json").exists():
        train_segmenter(folder, read_image, image_size, patients, steps=steps).save(folder)
    return load_segmenter(folder)


def weights_hash(model):
    """sha256 over the shapes, types and bytes of a Keras model's weights, in their order."""
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def train_segmenter(folder, read_image, image_size=64, patients=600, seed=1000, steps=None):
    """Draw fresh phantoms into folder/dicom, convert them to folder/images like any DICOM, and train a `Reader`.

    `read_image(path, image_size)` -> uint8 (S, S, 1) must be what the generator's training images were read with:
    `datasets.read_image`. `seed` is to be another than that of the generator's cohort; `image_size` is a multiple of 8;
    for `steps` see `fit_reader`. 600 patients (1,400 images) at 64 px take four minutes on one core; 128 px take four
    times as long. Same seed and machine, same reader.
    """
    if not isinstance(image_size, int):
        raise ValueError(f"The reader's images are squares, as phantoms are, not {image_size}.")
    started = time.perf_counter()
    images, truth = fresh_images(folder, read_image, image_size, patients, seed)
    drawing = round(time.perf_counter() - started, 1)
    reader = fit_segmenter(images, truth, seed, steps)
    reader.report["seconds"]["drawing"] = drawing
    return reader


def fit_segmenter(images, truth, seed=0, steps=None):
    """A `Reader` from images uint8 (N, S, S, 1) and the rows of their truth, split by patient.

    70 % of the patients teach it, 10 % set its thresholds, and its report is made of the other 20 %. `steps` of 16
    images are by default 14 passes, at least 300. Raises ValueError for fewer than 10 patients and for a side that is
    no multiple of 8.
    """
    size = images.shape[1]
    if size % 8:
        raise ValueError(f"The reader's images have a side that is a multiple of 8, not {size}.")
    if truth["patient"].nunique() < len(PARTS):
        raise ValueError(f"A reader needs at least {len(PARTS)} patients, not {truth['patient'].nunique()}.")
    clock = [time.perf_counter()]
    masks, part = truth_masks(truth, size), _parts(truth, seed)
    clock.append(time.perf_counter())
    fit, chosen, held_out = (part == name for name in ("fit", "thresholds", "held_out"))
    model = network.train(network.scaled(images[fit], size), masks[fit], steps, seed)
    clock.append(time.perf_counter())
    reader = PhantomSegmenter(
        model, size, choose_thresholds(PhantomSegmenter(model, size, {}).maps(images[chosen]), truth[chosen])
    )
    maps = reader.maps(images[held_out])
    reader.report["patients"] = truth["patient"].groupby(part).nunique().to_dict()
    reader.report.update(report(reader._described(maps), maps > COVERED, truth[held_out], masks[held_out]))
    spent = np.diff([*clock, time.perf_counter()]).round(1).tolist()
    reader.report["seconds"] = dict(zip(("masks", "training", "reading"), spent, strict=True))
    return reader


def _parts(truth, seed):
    """The part of every row (N,): whole patients, the classes spread alike over the parts."""
    patients = truth.groupby("patient")["class"].first().sample(frac=1, random_state=seed).sort_values(kind="stable")
    part_of = {patient: PARTS[i % len(PARTS)] for i, patient in enumerate(patients.index)}
    return truth["patient"].map(part_of).to_numpy(str)
