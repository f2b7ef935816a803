"""Trains a GAN in a folder, or goes on from the checkpoint that is there."""

import math
from dataclasses import asdict
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from medgan_tf import datasets, metrics, networks, results
from medgan_tf.files import atomic_write
from medgan_tf.training import callbacks, checkpoint, distribution, resume, tracking
from medgan_tf.training.build import build

STATISTICS = (256, 1000)  # images, at least and at most, that BatchNorm's statistics are recomputed from


def train(run, name, seed=0, **changes):
    """Train a model of a config.Run on the images that notebook 01 prepared, or go on; record it in results.json.

    changes: to fields of the profile's TrainingConfig. Returns what `fit` returns. Raises ValueError for a model that
    the profile does not have, and for a run that notebook 01 has not prepared.

    >>> train(config.open_run("knees", "quick", ["path/to/knees"]), "dcgan", kimg=100)
    """
    if name not in run.profile.models:
        raise ValueError(f"There is no model '{name}' to train; choose from {', '.join(run.profile.models)}.")
    if not run.feature_classifier.is_dir():
        raise ValueError(
            f"{run.directory} is not prepared: run `python -m medgan_tf run --notebooks 01_dicom_to_jpg` with its"
            " profile, data and name first."
        )
    strategy = distribution.strategy()  # on several machines this must precede all of TensorFlow's computations
    settings = run.profile.training(name, seed=seed, **changes)
    data = datasets.load(run.images, run.profile.image_size)
    labelled = len(data.classes) > 1 and settings.architecture not in networks.WITHOUT_LABELS
    gan = build(settings, data.image_size, len(data.classes) if labelled else 0)
    feature_classifier = metrics.load_classifier(run.feature_classifier) if distribution.is_chief(strategy) else None
    record = fit(gan, settings, data, run.model(name, seed), feature_classifier)
    if record:
        results.write(run.directory, f"training/{run.model(name, seed).name}", record)
    return record


def fit(gan, settings, data, model_dir, extractor=None):
    """Train `gan` on data.train until it has seen settings.kimg, going on from model_dir's checkpoint if there is one.

    model_dir gets model.json (settings, classes, image size), training_images.npy (hashes of the images, see
    datasets.image_hashes), log.csv, samples/*.png of fixed latents, state.npz and generator.weights.h5, the averaged
    generator that `generators.load` reads. With an extractor (metrics.Extractor) the kernel distance to training images
    is measured at each epoch, and the generator with the smallest one is kept; but where learning rates fell to zero
    the last one, whose fine detail is sharpest, which that distance may not see.

    A training may be made longer, by a larger kimg. If its learning rates have fallen already, they start anew (warm
    restarts, Loshchilov and Hutter 2017, arXiv 1608.03983) and model.json keeps the earlier lengths.

    Returns the section of results.json: settings, restarts, initialised_from, images seen (kimg), seconds, peak memory,
    parameters; None in the workers of a training on several machines, where only the chief writes. Raises ValueError
    if model_dir was trained with other settings or on other patients.
    """
    model_dir, strategy = Path(model_dir), gan.distribute_strategy
    chief = distribution.is_chief(strategy)
    record = resume.restore(gan, settings, data, model_dir, write=chief)
    distribution.agree(strategy, int(gan.step.numpy()), model_dir)
    batch = settings.batch_size * settings.discriminator_steps
    # Whole executions, so that a resumed run counts epochs alike; rounded up, so that growth begins in its epoch.
    execution = settings.steps_per_execution
    steps_per_epoch = execution * math.ceil(settings.kimg_per_epoch * 1000 / batch / execution)
    epochs = max(round(settings.kimg * 1000 / (steps_per_epoch * batch)), 1)
    done = int(gan.step.numpy()) // steps_per_epoch
    if done < epochs:
        batches = partial(data.train.batches, batch, settings.seed, int(gan.images_seen.numpy()), settings.balanced)
        gan.fit(
            distribution.feed(strategy, batches),
            steps_per_epoch=steps_per_epoch,
            initial_epoch=done,
            epochs=epochs,
            shuffle=False,  # the data are shuffled already
            verbose=0,
            callbacks=_callbacks(gan, settings, data, model_dir, extractor, chief),
        )
        if chief and (settings.decay_kimg or not extractor):
            atomic_write(model_dir / checkpoint.WEIGHTS, gan.generator_ema.save_weights)
    return _training_record(gan, settings, data, model_dir, record) if chief else None


def _callbacks(gan, settings, data, model_dir, extractor, chief):
    """In the order in which they run at the end of an epoch: a log row is written before its checkpoint."""
    train = data.train.shuffled(settings.seed)
    chosen = [callbacks.GrowthCallback()] if gan.growing else []
    labels = np.resize(train.labels, np.clip(len(train), *STATISTICS))
    chosen.append(callbacks.RecomputeBatchNorm(labels))
    if not chief:
        return chosen
    tensorboard = model_dir / "tensorboard"
    classes_in_turn = np.arange(32) % len(data.classes) if gan.conditional else None
    chosen.append(callbacks.SampleGrid(model_dir / "samples", classes_in_turn, tensorboard / "samples"))
    if extractor:
        validation = data.validation.shuffled(settings.seed)
        chosen.append(callbacks.EvaluationCallback(extractor, train, validation, model_dir / checkpoint.WEIGHTS))
    log = callbacks.TrainingLog(model_dir / checkpoint.LOG)
    return [
        *chosen,
        callbacks.PeakMemory(),
        log,
        keras.callbacks.TensorBoard(tensorboard, write_graph=False),
        *tracking.chosen(settings, model_dir),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: gan.save_state(model_dir / checkpoint.STATE)),
        callbacks.Forecast(log, settings.kimg),
        callbacks.Progress(model_dir.name),
    ]


def _training_record(gan, settings, data, model_dir, record):
    log = pd.read_csv(model_dir / checkpoint.LOG)
    collapsed = log.loc[log["collapsed"] > 0, "kimg"] if "collapsed" in log else []
    return {
        "settings": asdict(settings),
        "restarts": record["restarts"],
        "initialised_from": record["initialised_from"],
        "data": data.name,
        "kimg": int(gan.images_seen.numpy()) / 1000,
        "seconds": float(log["seconds"].sum()),
        "collapsed_at_kimg": list(collapsed),
        "peak_memory_mib": float(log["peak_memory_mib"].max()) if "peak_memory_mib" in log else None,
        "parameters": {name: getattr(gan, name).count_params() for name in ("generator", "discriminator")},
    }
