"""Builds a GAN from its recorded settings and trains it in a folder, or goes on where the folder stands."""

import json
import math
from dataclasses import asdict
from functools import partial
from itertools import takewhile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from medgan_tf import config, datasets, metrics, networks, results
from medgan_tf.files import atomic_write
from medgan_tf.training import callbacks, distribution, optimizers
from medgan_tf.training.augment import Augmentation
from medgan_tf.training.checkpoint import read
from medgan_tf.training.gan import GAN


def train(run, name, seed=0, **changes):
    """Train a model of a config.Run, or go on, on the images that notebook 01 prepared; what `fit` returns.

    The result is recorded in results.json and the weights are where the notebooks look for them. changes: to fields of
    the profile's settings. Raises ValueError for a model that the profile does not know, and where notebook 01 did not
    run.
    """
    if name not in run.profile.models:
        raise ValueError(f"There is no model '{name}' to train; choose from {', '.join(run.profile.models)}.")
    if not run.feature_classifier.is_dir():
        raise ValueError(
            f"{run.directory} is not prepared: `python -m medgan_tf run --notebooks 01_dicom_to_jpg` with its profile, "
            "data and name does that."
        )
    strategy = distribution.strategy()  # on several machines before TensorFlow computes anything
    settings = run.profile.training(name, seed=seed, **changes)
    data = datasets.load(run.images, run.profile.image_size)
    labelled = len(data.classes) > 1 and settings.architecture not in networks.WITHOUT_LABELS
    gan = build(settings, data.image_size, len(data.classes) if labelled else 0)
    feature_classifier = metrics.load_classifier(run.feature_classifier) if distribution.is_chief(strategy) else None
    training = fit(gan, settings, data, run.model(name, seed), feature_classifier)
    if training:
        results.write(run.directory, f"training/{run.model(name, seed).name}", training)
    return training


def build(settings, image_size, num_classes=0):
    """A compiled GAN from config.Training. Sets Keras's seed and precision, and determinism, for this process.

    Raises ValueError for settings that cannot be.
    """
    if not 0 <= settings.decay_kimg <= settings.kimg:
        raise ValueError(
            f"decay_kimg lies between 0 and the whole {settings.kimg:g} kimg, not at {settings.decay_kimg:g}."
        )
    if settings.path_length_weight and settings.architecture == "stylegan3" and settings.precision != "float32":
        raise ValueError(
            "StyleGAN3 has no path length penalty in half precision: use precision float32 or path_length_weight 0."
        )
    strategy = distribution.strategy()
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    distribution.per_replica_batch_size(settings.batch_size, strategy)
    keras.utils.set_random_seed(settings.seed)
    keras.config.set_dtype_policy(settings.precision)
    with strategy.scope():
        return _build(settings, image_size, num_classes)


def _build(settings, image_size, num_classes):
    generator, discriminator = networks.build(settings.architecture, image_size, num_classes, **settings.network)
    gan = GAN(
        generator,
        discriminator,
        loss=settings.loss,
        penalty=settings.penalty,
        penalty_weight=settings.penalty_weight,
        penalty_interval=settings.penalty_interval,
        blur_kimg=settings.blur_kimg,
        path_length_weight=settings.path_length_weight,
        path_length_interval=settings.path_length_interval,
        discriminator_steps=settings.discriminator_steps,
        ema_kimg=settings.ema_kimg,
        augmentation=Augmentation(**settings.augmentation) if settings.augmentation else None,
        seed=settings.seed,
    )
    gan.compile(
        optimizers.adam(settings.generator_learning_rate, settings, settings.batch_size * settings.discriminator_steps),
        optimizers.adam(settings.discriminator_learning_rate, settings, settings.batch_size),
        jit_compile=settings.jit_compile,
        # the loop over several steps does not run on more than one device
        steps_per_execution=1 if tf.distribute.has_strategy() else settings.steps_per_execution,
    )
    return gan


def fit(gan, settings, data, model_dir, extractor=None):
    """Train `gan` on data.train up to settings.kimg, or go on from where model_dir stands.

    model_dir gets model.json (settings, classes, image size), log.csv, samples/*.png of fixed latents, state.npz and
    generator.weights.h5, the averaged generator that `inference.load` reads. extractor: a metrics.Extractor, for the
    kernel distance to training images at each epoch; the generator with the least is then the one that is kept, but the
    last one where learning rates fell to zero: fine detail is sharpest in it, which the distance may not see.
    A training may be made longer, also one whose learning rates have fallen: they then start anew, full (warm restarts,
    Loshchilov & Hutter 2017, arXiv 1608.03983), and the record keeps the lengths that held before.
    Returns what results.json records of a training: settings, restarts, what it began with, images seen, seconds, peak
    memory, parameters.
    Where several processes train together only the chief writes and returns that; the others read model_dir and return
    None. Raises ValueError if model_dir was trained with other settings.
    """
    model_dir, strategy = Path(model_dir), gan.distribute_strategy
    chief = distribution.is_chief(strategy)
    names = ("model.json", "state.npz", "log.csv", "generator.weights.h5")
    description, state, log, weights = (model_dir / name for name in names)
    record, earlier = _record(description, settings, gan, data)
    if state.exists():
        gan.load_state(state)
    elif settings.init_from:
        _init_from(gan, settings.init_from, record)
    if earlier:
        record["restarts"] += _restart(model_dir, int(gan.images_seen.numpy()), earlier, settings)
    if chief:
        atomic_write(description, lambda file: file.write_text(json.dumps(record, indent=2)))
    distribution.agree(strategy, int(gan.step.numpy()), model_dir)
    batch = settings.batch_size * settings.discriminator_steps
    # whole executions, so that a resumed run counts epochs alike; rounded up, so that growth begins in its epoch
    execution = settings.steps_per_execution
    steps_per_epoch = execution * math.ceil(settings.kimg_per_epoch * 1000 / batch / execution)
    epochs = max(round(settings.kimg * 1000 / (steps_per_epoch * batch)), 1)
    done = int(gan.step.numpy()) // steps_per_epoch
    if done < epochs:
        train = data.train.shuffled(settings.seed)
        classes_in_turn = np.arange(32) % len(data.classes) if gan.conditional else None
        watchers = [
            *([callbacks.Growth()] if gan.growing else []),
            callbacks.RecomputeBatchNorm(train.labels[:1000]),
        ]
        if chief:
            watchers.append(callbacks.SampleGrid(model_dir / "samples", classes_in_turn))
            if extractor:
                watchers.append(
                    callbacks.EvaluationCallback(extractor, train, data.validation.shuffled(settings.seed), weights)
                )
            watchers += [
                callbacks.PeakMemory(),
                callbacks.TrainingLog(log),
                keras.callbacks.TensorBoard(model_dir / "tensorboard", write_graph=False),
                callbacks.Checkpoint(state),
                callbacks.Progress(model_dir.name),
            ]
        batches = partial(data.train.batches, batch, settings.seed, int(gan.images_seen.numpy()), settings.balanced)
        gan.fit(
            distribution.feed(strategy, batches),
            steps_per_epoch=steps_per_epoch,
            initial_epoch=done,
            epochs=epochs,
            shuffle=False,  # the data are shuffled already
            verbose=0,
            callbacks=watchers,
        )
        if chief and (settings.decay_kimg or not extractor):
            atomic_write(weights, gan.generator_ema.save_weights)
    if not chief:
        return None
    table = pd.read_csv(log)
    collapsed = table.loc[table["collapsed"] > 0, "kimg"] if "collapsed" in table else []
    return {
        "settings": asdict(settings),
        "restarts": record["restarts"],
        "initialised_from": record["initialised_from"],
        "data": data.name,
        "kimg": int(gan.images_seen.numpy()) / 1000,
        "seconds": float(table["seconds"].sum()),
        "collapsed_at_kimg": list(collapsed),
        "peak_memory_mib": float(table["peak_memory_mib"].max()) if "peak_memory_mib" in table else None,
        "parameters": {name: getattr(gan, name).count_params() for name in ("generator", "discriminator")},
    }


def _init_from(gan, name, record):
    """Give a new training the weights of a model of smaller images, `name` as "RUN/MODEL", and `record` that model's.

    The averaged generator's go to the coarse layers, from the latent on; the discriminator's to the layers down to the
    score: each as far as their shapes agree without a gap. Raises ValueError where that model is not there, has other
    classes, saw other patients in training (some of these may be held out here), or shares no layer.
    """
    folder = config.outputs() / Path(name).parent / "models" / Path(name).name
    if not (folder / "state.npz").exists():
        raise ValueError(f"A training cannot begin with '{name}': {folder} holds no trained model.")
    smaller = config.read_record(folder / "model.json")
    differing = [part for part in ("classes", "training") if smaller.get(part) != record[part]]
    if differing:
        said = {"classes": "other classes", "training": "other training patients, of whom some may be held out here"}
        raise ValueError(f"A training cannot begin with '{name}', which saw {said[differing[0]]}.")
    state = read(folder / "state.npz")
    for part, network, step in (("generator_ema", gan.generator, 1), ("discriminator", gan.discriminator, -1)):
        arrays = [array for key, array in sorted(state.items()) if key.startswith(f"{part}/")]
        pairs = zip(arrays[::step], network.variables[::step], strict=False)
        alike = list(takewhile(lambda pair: pair[0].shape == tuple(pair[1].shape), pairs))
        if not alike:
            raise ValueError(f"A training cannot begin with '{name}': its {part} has no layer of these shapes.")
        for array, variable in alike:
            variable.assign(array)
    gan.generator_ema.set_weights(gan.generator.get_weights())
    log = pd.read_csv(folder / "log.csv")
    cost = {"kimg": float(log["kimg"].iloc[-1]), "seconds": float(log["seconds"].sum())}
    kept = ("image_size", "settings", "restarts", "initialised_from")
    record["initialised_from"] = {part: smaller.get(part) for part in kept} | cost


def _restart(model_dir, images_seen, earlier, settings):
    """What the record keeps where learning rates that followed `earlier` had begun to fall: after how many kimg they
    start anew, and the lengths that held until then. Raises ValueError where by `settings` they would fall already.
    """
    ended, ends = (round(1000 * optimizers.decay_begins(lengths)) for lengths in (earlier, settings))
    fell = bool(earlier.decay_kimg) and images_seen > ended
    if (fell or settings.decay_kimg) and images_seen > ends:
        raise ValueError(
            f"{model_dir} has trained for {images_seen / 1000:g} kimg, but its learning rates are now to fall from "
            f"{ends / 1000:g} kimg on: raise kimg or lower decay_kimg."
        )
    return [{"at_kimg": images_seen / 1000, "kimg": earlier.kimg, "decay_kimg": earlier.decay_kimg}] if fell else []


def _record(path, settings, gan, data):
    """(what model.json is to hold, the earlier config.Training where that had other lengths, else None).

    Settings and patients are held against those of a model.json that is there: only the lengths may differ. Raises
    ValueError.
    """
    record = {
        "image_size": data.image_size,
        "classes": list(data.classes),
        "data": data.name,
        "conditional": gan.conditional,
        "training": data.train.record,
        "settings": asdict(settings),
        "restarts": [],
        "initialised_from": None,  # what this training began with
    }
    record = json.loads(json.dumps(record))  # as it is read again
    if not path.exists():
        return record, None
    before = config.read_record(path)
    record |= {"restarts": before.get("restarts", []), "initialised_from": before.get("initialised_from")}
    unknown = before["settings"].keys() - record["settings"].keys()
    known = {name: value for name, value in before["settings"].items() if name not in unknown}
    earlier = config.TrainingConfig(**known)  # asdict of one that was written before a setting was there has it
    differing = [name for name, value in record["settings"].items() if asdict(earlier)[name] != value]
    differing += sorted(unknown)
    differing += [name for name in ("image_size", "classes", "data") if before[name] != record[name]]
    if "training" not in before:  # written before records named the patients: that they were these is not known
        del record["training"]
    elif before["training"] != record["training"]:
        differing.append("training split")
    if set(differing) - {"kimg", "decay_kimg"}:
        raise ValueError(
            f"{path.parent} was trained with another {', '.join(differing)}; use another run name or delete it."
        )
    return record, earlier if differing else None
