"""Train, save, load and apply the phantom segmenter, which finds lungs, heart and lesions in images of phantoms.

It checks generated phantoms by rule, as Kelkar et al. do (IEEE TMI 2023). `PhantomSegmenter.report` holds its errors on
unseen patients: findings in generated images are no more accurate.
"""

import json
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf.files import sha256_of_weights

from . import network
from .report import report
from .rules import COLUMNS, COVERED, choose_thresholds, describe_maps
from .truth import CHANNELS, fresh_images, truth_masks

BATCH = 64
PARTS = ("fit", "fit", "held_out", "fit", "thresholds", "fit", "fit", "held_out", "fit", "fit")  # patients in turn


@dataclass(frozen=True)
class PhantomSegmenter:
    """Finds the structures of phantoms in images; `report` holds its errors on patients that it never saw."""

    model: object  # keras.Model: (B, S, S, 1) in [-1, 1] -> logits (B, S, S, 6)
    image_size: int
    thresholds: dict
    report: dict = field(default_factory=dict)

    def maps(self, images):
        """Probability of each structure of `CHANNELS`: float32 (N, S, S, 6) for images uint8 (N, H, W, 1)."""
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 1:
            raise ValueError(f"The segmenter takes images uint8 (N, H, W, 1), not {images.dtype} {images.shape}.")
        maps = np.zeros((len(images), self.image_size, self.image_size, len(CHANNELS)), np.float32)
        for batch in (slice(start, start + BATCH) for start in range(0, len(images), BATCH)):
            logits = self.model(network.scale(images[batch], self.image_size), training=False)
            maps[batch] = 1 / (1 + np.exp(-logits.numpy()))
        return maps

    def describe(self, images):
        """What each image shows: DataFrame with one row for each of the images uint8 (N, H, W, 1).

        lungs: number of separate lung regions. right_lung_area, left_lung_area: fractions of the image area; sides are
        the patient's, so right is on the image's left. heart_left: whether the heart's centre lies to the image's right
        of the middle of the lungs; False where a lung or the heart is missing. nodules: their number; nodule_sizes:
        their diameters; nodule_places: their (x, y), all as fractions of the image side. lesions_inside: whether the
        centre of every nodule lies inside the lungs or within a pixel of them, so True where there is no nodule.
        pneumonia: number of patches. effusion: whether there is fluid. Raises ValueError for other arrays.
        """
        return self._describe(self.maps(images))

    def _describe(self, maps):
        return pd.DataFrame([describe_maps(m, self.thresholds) for m in maps], columns=COLUMNS)

    def save(self, folder):
        """Write segmenter.keras and segmenter.json (size, thresholds, report, hash of the weights) into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(folder / "segmenter.keras")
        record = {name: getattr(self, name) for name in ("image_size", "thresholds", "report")}
        record["weights_sha256"] = sha256_of_weights(self.model)
        (folder / "segmenter.json").write_text(json.dumps(record, indent=2) + "\n")


def load_segmenter(folder):
    """Load what `PhantomSegmenter.save` wrote, now or in an earlier version (reader.keras, reader.json).

    Raises FileNotFoundError where there is none, ValueError where its files are damaged or do not belong together.
    """
    import keras

    weights, details = _files(folder)
    for path in (weights, details):
        if not path.is_file():
            raise FileNotFoundError(f"There is no {path.name} in {folder}: train a segmenter and save it there.")
    try:
        record = json.loads(details.read_text())
        model = keras.saving.load_model(weights, compile=False)
        same_weights = sha256_of_weights(model) == record.pop("weights_sha256")
        segmenter = PhantomSegmenter(model, **record)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"The segmenter in {folder} is damaged ({reason}): train and save it again.") from error
    if not same_weights:
        raise ValueError(f"The weights in {weights} are not those of {details.name}: train the segmenter again.")
    return segmenter


def load_or_train_segmenter(folder, read_image, image_size=64, patients=600, steps=None):
    """Load the segmenter in `folder`; where there is none, `train_segmenter` and save it there first."""
    if not _files(folder)[1].exists():
        train_segmenter(folder, read_image, image_size, patients, steps=steps).save(folder)
    return load_segmenter(folder)


def train_segmenter(folder, read_image, image_size=64, patients=600, seed=1000, steps=None):
    """Draw fresh phantoms as `fresh_images` does, and train a `PhantomSegmenter` on them.

    read_image: the function that read the generator's training images, `datasets.read_image`. seed: not that of the
    generator's cohort; the same on the same machine gives the same segmenter. image_size, steps: as for
    `fit_segmenter`. 600 patients (1,400 images) at 64 px take four minutes on one core; 128 px take four times as long.
    """
    if not isinstance(image_size, int):
        raise ValueError(f"The segmenter's images are squares, as phantoms are, not {image_size}.")
    started = time.perf_counter()
    images, truth = fresh_images(folder, read_image, image_size, patients, seed)
    drawing = round(time.perf_counter() - started, 1)
    segmenter = fit_segmenter(images, truth, seed, steps)
    segmenter.report["seconds"]["drawing"] = drawing
    return segmenter


def fit_segmenter(images, truth, seed=0, steps=None):
    """Train a `PhantomSegmenter` on images uint8 (N, S, S, 1) and the rows of their truth, split by patient.

    70% of the patients train the network, 10% set its thresholds, and its report is of the other 20%. steps: batches of
    16 images; by default 14 epochs, at least 300 steps. Raises ValueError for fewer than 10 patients and for a side
    that is not a multiple of 8.
    """
    size = images.shape[1]
    if size % 8:
        raise ValueError(f"The segmenter's images need a side that is a multiple of 8, not {size}.")
    if truth["patient"].nunique() < len(PARTS):
        raise ValueError(f"A segmenter needs at least {len(PARTS)} patients, not {truth['patient'].nunique()}.")
    clock = [time.perf_counter()]
    masks, part = truth_masks(truth, size), _split_patients(truth, seed)
    clock.append(time.perf_counter())
    fit, chosen, held_out = (part == name for name in ("fit", "thresholds", "held_out"))
    model = network.train(network.scale(images[fit], size), masks[fit], steps, seed)
    clock.append(time.perf_counter())
    thresholds = choose_thresholds(PhantomSegmenter(model, size, {}).maps(images[chosen]), truth[chosen])
    segmenter = PhantomSegmenter(model, size, thresholds)
    maps = segmenter.maps(images[held_out])
    segmenter.report["patients"] = truth["patient"].groupby(part).nunique().to_dict()
    segmenter.report.update(report(segmenter._describe(maps), maps > COVERED, truth[held_out], masks[held_out]))
    spent = np.diff([*clock, time.perf_counter()]).round(1).tolist()
    segmenter.report["seconds"] = dict(zip(("masks", "training", "report"), spent, strict=True))
    return segmenter


def _files(folder):
    """(path of the network, path of the record) in a segmenter's folder; earlier versions called both "reader"."""
    name = "reader" if (Path(folder) / "reader.json").exists() else "segmenter"
    return tuple(Path(folder) / f"{name}.{ending}" for ending in ("keras", "json"))


def _split_patients(truth, seed):
    """The part (see `PARTS`) of each row (N,): whole patients, each class spread evenly over the parts."""
    patients = truth.groupby("patient")["class"].first().sample(frac=1, random_state=seed).sort_values(kind="stable")
    part_of = {patient: PARTS[i % len(PARTS)] for i, patient in enumerate(patients.index)}
    return truth["patient"].map(part_of).to_numpy(str)
