"""Begin a training with the weights of another model: which images it saw, and how far its layers fit.

Layers are taken from the coarse end: generator weights from the latent on, discriminator weights from the score back,
each until the first shape that differs. So a model may have seen other patients, other classes and another size.
"""

from itertools import takewhile

import numpy as np
import pandas as pd

from medgan_tf import config, networks, results
from medgan_tf.config.runs import available
from medgan_tf.datasets import image_hashes
from medgan_tf.networks.layers import LabelEmbedding
from medgan_tf.training import checkpoint


def initialise(gan, settings, data, record):
    """Give `gan` the weights of the model that settings.init_from names, one of `config.runs.available`.

    record: the model.json of the new training. Returns what it keeps of the other model, and the hashes of the images
    that model saw. Raises ValueError for a model that is not there, has another architecture, has no labels where this
    one has them or the reverse, may have seen held-out images, shares no convolution, or lacks a layer to be frozen.
    """
    name = settings.init_from
    folder, other = _find(name)
    for difference in _differences(other, record):
        raise ValueError(f"A training cannot begin with '{name}': {difference}.")
    seen = _images_seen(name, folder, data, other, record)
    taken = _take_weights(gan, name, _read_weights(folder, other), other, record)
    kept = {part: other.get(part) for part in ("image_size", "data", "settings", "restarts", "initialised_from")}
    kept |= {"name": name, "networks": taken, "frozen_layers": settings.frozen_layers} | _length(folder)
    if gan.conditional:
        kept["classes"] = {"matched": [], "new": []}
        for label in record["classes"]:
            kept["classes"]["matched" if label in other["classes"] else "new"].append(label)
    return kept, seen


def _find(name):
    """(folder, record) of a trained model by its name."""
    models = available()
    if name not in models:
        known = ", ".join(models) or "none"
        raise ValueError(f"A training cannot begin with '{name}': there is no such model. There are: {known}.")
    folder = models[name]
    if not any((folder / file).exists() for file in (checkpoint.STATE, checkpoint.WEIGHTS)):
        raise ValueError(f"A training cannot begin with '{name}': {folder} holds no weights; train that model first.")
    return folder, config.read_record(folder / checkpoint.RECORD)


def _differences(other, record):
    """Why the networks of two records have nothing in common, sentences without their full stops."""
    architectures = [each["settings"]["architecture"] for each in (other, record)]
    if architectures[0] != architectures[1]:
        yield "it is a {}, and this is a {}".format(*architectures)
    if other["conditional"] != record["conditional"]:
        # the first layer that reads the latent reads the label as well: another shape
        yield "one of them takes labels and the other does not, so that their first layers differ"


# ------------------------------------------------------------ which images the other model saw


def _images_seen(name, folder, data, other, record):
    """Hashes of the images that the model in `folder` saw; one without hashes saw this training split, or is refused.

    Raises ValueError if held-out images are among them, and where it is not known which images the model saw.
    """
    path = folder / image_hashes.FILE
    if not path.exists():
        if "training" in other and other["training"] == record.get("training"):
            return image_hashes.hash_images(data.train)
        raise ValueError(
            f"A training cannot begin with '{name}': {path} is missing, so it is not known which images that model saw;"
            " train it again with this version, or begin with random weights."
        )
    seen = image_hashes.read(path)
    found = image_hashes.find(data.held_out, seen)
    if len(found):
        raise ValueError(
            f"A training cannot begin with '{name}': {len(found)} of {len(data.held_out)} held-out images are among its"
            f" training images, such as {data.held_out.files[found[0]]}; give their patients to the training split in"
            f" the column `split` of {data.root / 'manifest.csv'}, remove them, or begin with random weights."
        )
    return seen


# ------------------------------------------------------------ its weights


def _read_weights(folder, record):
    """{network: arrays in the order of its variables} of the model in `folder`.

    A run has all its networks, after the last step; a published model has its averaged generator and perhaps a
    discriminator. Raises ValueError for damaged files.
    """
    if (folder / checkpoint.STATE).exists():
        state = checkpoint.read(folder / checkpoint.STATE)
        names = {"generator": "generator_ema", "discriminator": "discriminator", "projected": "projected"}
        arrays = {
            network: [state[key] for key in sorted(state) if key.startswith(f"{name}/")]
            for network, name in names.items()
        }
        return {network: each for network, each in arrays.items() if each}
    settings, classes = record["settings"], len(record["classes"]) if record["conditional"] else 0
    built = networks.build(settings["architecture"], record["image_size"], classes, **settings["network"])
    arrays = {}
    for network, file in zip(built, (checkpoint.WEIGHTS, checkpoint.DISCRIMINATOR), strict=True):
        path = folder / file
        if not path.exists():
            continue
        try:
            network.load_weights(path)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error}); fetch or export this model again.") from error
        arrays[network.name] = [variable.numpy() for variable in network.variables]
    return arrays


def _take_weights(gan, name, weights, other, record):
    """Copy {network: arrays} into `gan`; return the names of the networks of which layers were taken."""
    classes = other["classes"], record["classes"]
    taken = set()
    for network, step in ((gan.generator, 1), (gan.discriminator, -1)):
        if network.name not in weights:
            continue
        matching = _matching(weights[network.name][::step], network.variables[::step], _label_tables(network), classes)
        if not any(array.ndim == 4 for array, _ in matching):
            raise ValueError(f"A training cannot begin with '{name}': its {network.name} shares no convolution.")
        taken |= _assign(matching)
    gan.generator_ema.set_weights(gan.generator.get_weights())
    _check_frozen(gan, name, taken)
    heads = "projected" in weights and other["settings"].get("projected") == record["settings"]["projected"]
    if heads:
        # together with the fixed features and mixtures that the heads have learnt to read
        matching = _matching(weights["projected"], gan.projected.variables, _label_tables(gan.projected), classes)
        heads = len(matching) == len(gan.projected.variables)
        _assign(matching if heads else [])
    return [network for network in weights if network != "projected" or heads]


def _matching(arrays, variables, label_tables, classes):
    """[(array, variable)] until the first shape that differs; label tables get a row for each of the new classes."""
    fitted = (
        (_by_class(array, *classes) if id(variable) in label_tables else array, variable)
        for array, variable in zip(arrays, variables, strict=False)
    )
    return list(takewhile(lambda pair: pair[0].shape == tuple(pair[1].shape), fitted))


def _label_tables(network):
    """The ids of the variables with one row for each class."""
    return {id(layer.embeddings) for layer in network._flatten_layers() if isinstance(layer, LabelEmbedding)}


def _by_class(table, before, now):
    """The rows of a label table (len(before), C) for the classes `now`: (len(now), C)."""
    if len(table) != len(before):
        return table  # it stands where the other model has another layer, and the shapes will differ
    # The networks have learnt to read the known rows and what lies between them, so a new class begins as their mean;
    # a random row would be a point that they have never seen. Classes separate by the gradients of their own images.
    mean = table.mean(axis=0)
    return np.stack([table[before.index(name)] if name in before else mean for name in now])


def _assign(matching):
    """Set the variables; return their ids."""
    for array, variable in matching:
        variable.assign(array)
    return {id(variable) for _, variable in matching}


def _check_frozen(gan, name, taken):
    """Raise ValueError where a frozen layer would stay random."""
    frozen = [layer for layer in gan.discriminator.layers if not layer.trainable]
    random = [layer for layer in frozen if not {id(variable) for variable in layer.variables} <= taken]
    if random:
        raise ValueError(
            f"frozen_layers is {len(frozen)}, but {len(random)} of these layers of the discriminator cannot be taken"
            f" from '{name}' and would stay random: set frozen_layers to 0, or begin with a model of this image size"
            " whose discriminator is at hand."
        )


def _length(folder):
    """How long a model was trained: {kimg, seconds}, from the log of a run or the results of a published model."""
    if (folder / checkpoint.LOG).exists():
        log = pd.read_csv(folder / checkpoint.LOG)
        return {"kimg": float(log["kimg"].iloc[-1]), "seconds": float(log["seconds"].sum())}
    sections = results.read(folder)
    training = sections[f"training/{sections['published']['model']}"]
    return {part: training[part] for part in ("kimg", "seconds")}
