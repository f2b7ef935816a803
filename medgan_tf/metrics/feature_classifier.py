"""The feature classifier: features of a small network trained on the real images, without any download."""

import json
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from medgan_tf.datasets import read_images
from medgan_tf.datasets.input_pipeline import predict, without_autotune
from medgan_tf.files import sha256_of_weights

from .classifier_layers import convolutions, options, random_layers, seeds_of
from .features import Extractor, on_images, prepare

FEATURES = 64
BATCH = 64
PASSES = 6  # over the images and their rotated copies
MIN_STEPS = 300  # small sets get more passes
LEARNING_RATE = 2e-3
TURNS = 8  # rotations by 0, 90, 180 and 270 degrees, of the image and of its mirror image


def train_feature_classifier(train, validation=None, image_size=64, seed=0, steps=None, backbone=convolutions):
    """Train a small convolutional network on real images; its 64 penultimate values are the features.

    train: an `ImageSet`, or an array (N, H, W, C) without labels. The network learns the classes and, from a rotated or
    flipped copy of every image, which of the eight rotations and flips it is (Gidaris et al. 2018): features learned
    from classes alone hardly notice a flip of every image, and real sets differ widely in them. Without labels, or with
    one class, it learns the rotations alone and has no logits. Both losses are class-balanced; shifts, small rotations,
    zoom, brightness and contrast augment. Images are resized to squares of image_size, so that copies can be rotated.

    validation: images of other patients, on which `report` states the accuracy. steps, of 64 examples each, are by
    default 6 passes over images and copies, at least 300: about a minute for 4,500 images at 64 px on 2 cores. Features
    are standardised on the training set. Same seed and machine, same weights. Returns an `Extractor`.

    backbone: the network before the features, as `classifier_layers.convolutions`.

    >>> feature_classifier = metrics.train_feature_classifier(data.train, validation=data.held_out)
    """
    import keras
    import tensorflow as tf

    started = time.perf_counter()
    train = read_images(train)
    labels = train.labels if len(train.classes) > 1 else None
    inputs, targets, weights = _examples(train.images, labels, image_size, seed)
    steps = steps or max(MIN_STEPS, PASSES * len(inputs) // BATCH)
    model = _network(inputs.shape[1:], 0 if labels is None else len(train.classes), seed, backbone)
    model.compile(
        optimizer=keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss={head: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for head in targets},
    )
    data = tf.data.Dataset.from_tensor_slices((inputs, targets, weights))
    data = without_autotune(data.shuffle(len(inputs), seed=seed).repeat().batch(BATCH).prefetch(2))
    with tqdm(total=steps, desc="feature classifier", unit="step", leave=False) as bar:
        count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())
        model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[count])
    report = {"classes": [] if labels is None else list(train.classes), "images": len(train), "steps": steps}
    if validation is not None:
        held_out = read_images(validation)
        held_out_labels = None if labels is None else held_out.labels
        report |= _accuracy(model, *_examples(held_out.images, held_out_labels, image_size, seed))
    model = keras.Model(model.input, model.output, name=model.name)  # without the optimizer, twice as large
    return _extractor(model, image_size, report | {"seconds": round(time.perf_counter() - started, 1)})


def save_classifier(extractor, folder):
    """Write classifier.keras and classifier.json (size, report, hash of the weights) into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    extractor.model.save(folder / "classifier.keras")
    record = {name: getattr(extractor, name) for name in ("name", "weights_sha256", "image_size", "report")}
    (folder / "classifier.json").write_text(json.dumps(record, indent=2) + "\n")


def load_classifier(folder):
    """The extractor that `save_classifier` wrote, also in earlier versions, which named its files domain.

    Raises FileNotFoundError if there is none, ValueError if the weights are not those that were recorded.
    """
    import keras

    stem = "domain" if (Path(folder) / "domain.json").is_file() else "classifier"
    weights, description = (Path(folder) / f"{stem}{suffix}" for suffix in (".keras", ".json"))
    if not weights.is_file() or not description.is_file():
        raise FileNotFoundError(f"{folder} holds no feature classifier: run notebook 01, or train_feature_classifier")
    record = json.loads(description.read_text())
    model = keras.saving.load_model(weights, compile=False)
    if sha256_of_weights(model) != record["weights_sha256"]:
        raise ValueError(f"the weights in {weights} are not those of {description.name}: train them again")
    return _extractor(model, record["image_size"], record["report"])


def _extractor(model, image_size, report):
    def network(inputs):
        outputs = model(inputs, training=False)
        return outputs["features"], outputs.get("logits")

    return Extractor(
        "feature_classifier",
        sha256_of_weights(model),
        image_size,
        on_images(network, image_size, model.input_shape[-1]),
        model,
        report,
    )


def _network(shape, classes, seed, backbone):
    """(B, *shape) -> features (B, 64), turns (B, 8) and, with classes, logits (B, classes), in a dict.

    Every random part has its own seed, so that the global one is not used.
    """
    import keras
    from keras import layers

    seeds = seeds_of(seed)
    inputs = keras.Input(shape)
    x = backbone(random_layers(inputs, seeds), seeds)
    x = layers.Dense(FEATURES, **options(seeds))(x)
    x = layers.BatchNormalization(momentum=0.95, center=False, scale=False, name="features")(x)
    outputs = {"features": x}
    x = layers.Dropout(0.2, seed=next(seeds))(layers.ReLU()(x))
    outputs["turns"] = layers.Dense(TURNS, name="turns", **options(seeds))(x)
    if classes:
        outputs["logits"] = layers.Dense(classes, name="logits", **options(seeds))(x)
    return keras.Model(inputs, outputs, name="feature_classifier")


def _examples(images, labels, image_size, seed):
    """Inputs float32 (2N, S, S, C), the images and a rotated copy of each; targets and weights (2N,) by head.

    The class head ignores the copies (weight 0): a class is defined on upright images.
    """
    import tensorflow as tf

    channels, batches = images.shape[-1], [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
    upright = np.concatenate([prepare(tf.constant(batch), image_size, channels).numpy() for batch in batches])
    turns = np.random.default_rng(seed).integers(TURNS, size=len(upright))
    copies = [
        np.rot90(image[:, ::-1] if turn > 3 else image, turn % 4) for image, turn in zip(upright, turns, strict=True)
    ]
    targets = {"turns": np.concatenate([np.zeros_like(turns), turns])}
    weights = {"turns": _balanced(targets["turns"])}
    if labels is not None:
        labels = np.asarray(labels, int)
        targets["logits"] = np.tile(labels, 2)
        weights["logits"] = np.concatenate([2 * _balanced(labels), np.zeros(len(labels), np.float32)])
    return np.concatenate([upright, np.stack(copies)]), targets, weights


def _balanced(targets):
    """(N,) weights of mean 1 that give every class the same total."""
    names, index, counts = np.unique(targets, return_inverse=True, return_counts=True)
    return (len(targets) / (len(names) * counts))[index].astype(np.float32)


def _accuracy(model, inputs, targets, weights):
    """Accuracy of each head on held-out images, and with every class weighted equally."""
    report = {"held_out": len(inputs) // 2}
    outputs = predict(model, inputs, BATCH)
    for head, name in (("logits", "accuracy"), ("turns", "turn_accuracy")):
        if head in targets:
            right = outputs[head].argmax(1) == targets[head]
            report[name] = float(right[weights[head] > 0].mean())
            report[f"balanced_{name}"] = float(np.average(right, weights=weights[head]))
    return report
