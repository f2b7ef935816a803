"""A training's folder: the record that a resumed training must agree with, and where a new one takes its weights."""

import json
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path

import pandas as pd

from medgan_tf import config
from medgan_tf.files import atomic_write_text
from medgan_tf.training import checkpoint, optimizers

RECORD, STATE, LOG, WEIGHTS = "model.json", "state.npz", "log.csv", "generator.weights.h5"


def restore(gan, settings, data, model_dir, write=True):
    """Bring `gan` to where the training in model_dir stands; return the content of its model.json, written if `write`.

    A new training starts from random weights or, with settings.init_from, from those of another model. Raises
    ValueError if the folder holds a training with other settings (a longer one may go on) or on other patients.
    """
    record = _new_record(settings, gan, data)
    earlier = _compare_with_earlier(record, model_dir)
    if (model_dir / STATE).exists():
        gan.load_state(model_dir / STATE)
    elif settings.init_from:
        record["initialised_from"] = _initialise(gan, settings.init_from, record)
    if earlier:
        record["restarts"] += _restarts(model_dir, int(gan.images_seen.numpy()), earlier, settings)
    if write:
        atomic_write_text(model_dir / RECORD, json.dumps(record, indent=2))
    return record


def _new_record(settings, gan, data):
    record = {
        "image_size": data.image_size,
        "classes": list(data.classes),
        "data": data.name,
        "conditional": gan.conditional,
        "training": data.train.record,
        "settings": asdict(settings),
        "restarts": [],
        "initialised_from": None,
    }
    return json.loads(json.dumps(record))  # tuples become lists, as in a record that was read from its file


def _compare_with_earlier(record, model_dir):
    """The earlier TrainingConfig if the model.json in model_dir has other lengths than the record, else None.

    Takes the history of the training over into the record. Raises ValueError where more than the lengths differ.
    """
    if not (model_dir / RECORD).exists():
        return None
    before = config.read_record(model_dir / RECORD)
    record |= {name: before[name] for name in ("restarts", "initialised_from") if before.get(name)}
    unknown = before["settings"].keys() - record["settings"].keys()
    # a record that was written before a setting existed has its default
    earlier = config.TrainingConfig(**{name: before["settings"][name] for name in before["settings"].keys() - unknown})
    differing = [name for name, value in asdict(earlier).items() if value != record["settings"][name]]
    differing += sorted(unknown)
    differing += [name for name in ("image_size", "classes", "data") if before[name] != record[name]]
    if "training" not in before:  # an old record, which does not say on which patients: neither may this one
        del record["training"]
    elif before["training"] != record["training"]:
        differing.append("training split")
    if set(differing) - {"kimg", "decay_kimg"}:
        raise ValueError(
            f"{model_dir} was trained with another {', '.join(differing)}; use another run name or delete this folder."
        )
    return earlier if differing else None


def _restarts(model_dir, images_seen, earlier, settings):
    """What model.json keeps if the learning rates of the earlier settings had begun to fall, [] otherwise.

    Raises ValueError where by the new settings they should be falling already.
    """
    ended, ends = (round(1000 * optimizers.decay_begins(lengths)) for lengths in (earlier, settings))
    fell = bool(earlier.decay_kimg) and images_seen > ended
    if (fell or settings.decay_kimg) and images_seen > ends:
        raise ValueError(
            f"{model_dir} has trained for {images_seen / 1000:g} kimg, but its learning rates should fall from"
            f" {ends / 1000:g} kimg on: raise kimg or lower decay_kimg."
        )
    return [{"at_kimg": images_seen / 1000, "kimg": earlier.kimg, "decay_kimg": earlier.decay_kimg}] if fell else []


def _initialise(gan, name, record):
    """Copy the weights of a trained model of smaller images, "RUN/MODEL", and return what is recorded of it.

    Generator weights are copied from the latent on, discriminator weights from the score back, each until the first
    shape that differs. Raises ValueError for a model that is not there, has other classes, was trained on other
    patients (some of whom may be held out here), or shares no convolution.
    """
    folder = config.outputs() / Path(name).parent / "models" / Path(name).name
    if not (folder / STATE).exists():
        raise ValueError(f"A training cannot begin with '{name}': {folder} holds no trained model.")
    smaller = config.read_record(folder / RECORD)
    reasons = {"classes": "other classes", "training": "other training patients, of whom some may be held out here"}
    for part, reason in reasons.items():
        if smaller.get(part) != record[part]:
            raise ValueError(f"A training cannot begin with '{name}', which saw {reason}.")
    state = checkpoint.read(folder / STATE)
    for part, network, step in (("generator_ema", gan.generator, 1), ("discriminator", gan.discriminator, -1)):
        arrays = [array for key, array in sorted(state.items()) if key.startswith(f"{part}/")]
        pairs = zip(arrays[::step], network.variables[::step], strict=False)
        matching = list(takewhile(lambda pair: pair[0].shape == tuple(pair[1].shape), pairs))
        if not any(array.ndim == 4 for array, _ in matching):
            raise ValueError(f"A training cannot begin with '{name}': its {part} shares no convolution.")
        for array, variable in matching:
            variable.assign(array)
    gan.generator_ema.set_weights(gan.generator.get_weights())
    log = pd.read_csv(folder / LOG)
    kept = {part: smaller.get(part) for part in ("image_size", "settings", "restarts", "initialised_from")}
    return kept | {"kimg": float(log["kimg"].iloc[-1]), "seconds": float(log["seconds"].sum())}
