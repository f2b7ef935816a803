"""The domain extractor: a small classifier of the real training images, for where nothing can be
downloaded."""

import json
import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from .pipeline import Extractor, on_images, prepare, weights_hash

FILTERS = (16, 32, 64, 128)
FEATURES = 64
BATCH = 64
PASSES = 12
FEWEST_STEPS = 300  # a small set is gone through more often
LEARNING_RATE = 2e-3
TURNS = ("0", "90", "180", "270", "0 flipped", "90 flipped", "180 flipped", "270 flipped")


def train_domain(images, labels, classes, image_size=64, seed=0, validation=None, steps=None):
    """Trains a small convolutional classifier on the real training split; its 64 penultimate values are the
    features.

    images uint8 or uint16 (N, H, W, 1); labels int (N,) into `classes`, or None. Where labels are None or
    there is one class it learns to tell the eight rotations and flips of the images apart (Gidaris et al.
    2018), and has no logits. `validation` is a pair (images, labels) of other patients, on which `report`
    states the accuracy. `steps` of 64 images are by default 12 passes, at least 300: about a minute for 4,500
    images at 64 px on 2 cores. The features are standardised by the training set, so that a distance of 1 is
    one standard deviation in any of them. Class-balanced loss; shifts, turns, zoom, brightness and contrast
    as augmentation. Same seed and machine, same weights. Returns an `Extractor`.
    """
    import keras
    import tensorflow as tf

    started = time.perf_counter()
    task = "classes" if labels is not None and len(classes) > 1 else "turns"
    names = list(classes) if task == "classes" else list(TURNS)
    inputs, targets = _examples(images, labels, task, image_size, seed)
    counts = np.bincount(targets, minlength=len(names))
    steps = steps or max(FEWEST_STEPS, PASSES * len(inputs) // BATCH)
    model = _network(image_size, len(names), seed)
    model.compile(
        optimizer=keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        loss={"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
    )
    weights = (len(targets) / (len(names) * np.maximum(counts, 1)))[targets].astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((inputs, {"logits": targets}, {"logits": weights}))
    data = data.shuffle(len(inputs), seed=seed).repeat().batch(BATCH).prefetch(2)
    with tqdm(total=steps, desc="domain extractor", unit="step", leave=False) as bar:
        count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())
        history = model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[count])
    report = {
        "task": task,
        "classes": names,
        "images": len(images),
        "steps": steps,
        "loss": history.history["loss"][0],
    }
    if validation is not None:
        report |= _accuracy(model, *_examples(*validation, task, image_size, seed))
    return _extractor(model, image_size, report | {"seconds": round(time.perf_counter() - started, 1)})


def save_domain(extractor, folder):
    """Writes domain.keras and domain.json (size, report, hash of the weights) into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    extractor.model.save(folder / "domain.keras")
    record = {name: getattr(extractor, name) for name in ("name", "weights_sha256", "image_size", "report")}
    (folder / "domain.json").write_text(json.dumps(record, indent=2) + "\n")


def load_domain(folder):
    """The extractor that `save_domain` wrote. Raises FileNotFoundError where there is none, ValueError where
    the weights are not those whose hash was recorded.
    """
    import keras

    folder = Path(folder)
    if not (folder / "domain.keras").is_file() or not (folder / "domain.json").is_file():
        raise FileNotFoundError(f"no domain extractor in {folder}: train one with train_domain and save_domain")
    record = json.loads((folder / "domain.json").read_text())
    loaded = _extractor(keras.saving.load_model(folder / "domain.keras"), record["image_size"], record["report"])
    if loaded.weights_sha256 != record["weights_sha256"]:
        raise ValueError(f"the weights in {folder / 'domain.keras'} are not those of domain.json: train it again")
    return loaded


def _extractor(model, image_size, report):
    has_classes = report["task"] == "classes"

    def network(inputs):
        outputs = model(inputs, training=False)
        return outputs["features"], outputs["logits"] if has_classes else None

    return Extractor("domain", weights_hash(model), image_size, on_images(network, image_size), model, report)


def _network(image_size, classes, seed):
    """(B, S, S, 1) -> {"features": (B, 64), "logits": (B, classes)}. Every random part has its own seed."""
    import keras
    from keras import layers

    seeds = iter(np.random.default_rng(seed).integers(2**31, size=32).tolist())
    initial = lambda: keras.initializers.HeNormal(seed=next(seeds))  # noqa: E731
    x = inputs = keras.Input((image_size, image_size, 1))
    x = layers.RandomTranslation(0.06, 0.06, fill_mode="nearest", seed=next(seeds))(x)
    x = layers.RandomRotation(0.02, fill_mode="nearest", seed=next(seeds))(x)
    x = layers.RandomZoom(0.1, fill_mode="nearest", seed=next(seeds))(x)
    x = layers.RandomBrightness(0.1, value_range=(-1, 1), seed=next(seeds))(x)
    x = layers.RandomContrast(0.2, value_range=(-1, 1), seed=next(seeds))(x)
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False, kernel_initializer=initial())(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=initial())(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(FEATURES, use_bias=False, kernel_initializer=initial())(x)
    features = layers.BatchNormalization(momentum=0.95, center=False, scale=False, name="features")(x)
    x = layers.Dropout(0.2, seed=next(seeds))(layers.ReLU()(features))
    logits = layers.Dense(classes, kernel_initializer=initial(), name="logits")(x)
    return keras.Model(inputs, {"features": features, "logits": logits}, name="domain")


def _examples(images, labels, task, image_size, seed):
    """Prepared images float32 (N, S, S, 1) and int targets (N,), in batches to keep memory flat."""
    import tensorflow as tf

    parts = [prepare(tf.constant(images[i : i + BATCH]), image_size).numpy() for i in range(0, len(images), BATCH)]
    inputs = np.concatenate(parts)
    if task == "classes":
        return inputs, np.asarray(labels, np.int32)
    targets = np.random.default_rng(seed).integers(len(TURNS), size=len(inputs)).astype(np.int32)
    turned = [
        np.rot90(image[:, ::-1] if turn > 3 else image, turn % 4) for image, turn in zip(inputs, targets, strict=True)
    ]
    return np.stack(turned), targets


def _accuracy(model, inputs, targets):
    predicted = model.predict(inputs, batch_size=BATCH, verbose=0)["logits"].argmax(1)
    recalls = [float((predicted[targets == name] == name).mean()) for name in np.unique(targets)]
    return {
        "held_out": len(targets),
        "accuracy": float((predicted == targets).mean()),
        "balanced_accuracy": float(np.mean(recalls)),
    }
