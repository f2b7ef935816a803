"""A training's folder: the record that a resumed training must agree with, and the hashes of its images."""

import json
from dataclasses import asdict

import numpy as np

from medgan_tf import config
from medgan_tf.datasets import image_hashes
from medgan_tf.files import atomic_write_text
from medgan_tf.training import optimizers, transfer
from medgan_tf.training.checkpoint import RECORD, STATE


def restore(gan, settings, data, model_dir, write=True):
    """Bring `gan` to where the training in model_dir stands; return the content of its model.json, written if `write`.

    A new training starts from random weights or, with settings.init_from, from those of another model; the folder then
    gets the hashes of its training images and of those that the other model saw. (A folder of an earlier version has
    no hashes, and gets none when it goes on.) Raises ValueError if the folder holds a training with other settings (a
    longer one may go on) or on other patients, and for another model that cannot be taken.
    """
    record = _new_record(settings, gan, data)
    earlier = _compare_with_earlier(record, model_dir)
    if (model_dir / STATE).exists():
        gan.load_state(model_dir / STATE)
    else:
        seen = image_hashes.hash_images(data.train)
        if settings.init_from:
            record["initialised_from"], seen_before = transfer.initialise(gan, settings, data, record)
            seen = np.concatenate([seen, seen_before])
        if write:
            image_hashes.write(seen, model_dir / image_hashes.FILE)
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
