"""Folders of runs with small untrained models and calibrated classifiers, for the tests of the app."""

import json
import shutil
from dataclasses import asdict

import keras
import numpy as np

from medgan_tf import config, metrics, networks, results
from medgan_tf.datasets import ImageSet

CLASSES = ["large", "small"]
SIZE = 32
NETWORKS = {
    "dcgan": {"base_filters": 4, "latent_dim": 8},
    "cgan": {"base_filters": 8, "latent_dim": 6},
    "stylegan2": {"latent_dim": 12, "channel_base": 256, "channel_max": 16, "mapping_layers": 2},
}


METRIC = {"value": 1.25, "low": 1.0, "high": 1.5, "n": 30, "better": "lower", "patients": 30, "repeats": 20}
METRIC |= {"real_vs_real": 0.25, "real_vs_real_low": 0.0, "real_vs_real_high": 0.5, "extractor": "feature_classifier"}
METRIC |= {"weights_sha256": "ab" * 32}
EARLIER_NAMES = {  # of keys and values in JSON files
    "feature_classifier": "domain",
    "calibration/label_classifier": "calibration/judge",
    "real_vs_real": "floor",
    "real_vs_real_low": "floor_low",
    "real_vs_real_high": "floor_high",
    "interpretation": "reading",
    "init_from": "begin",
    "kimg_per_epoch": "epoch_kimg",
}


def write_model(folder, architecture, conditional, seed=0):
    """Save an untrained model with large weights, as training does."""
    folder.mkdir(parents=True)
    keras.utils.set_random_seed(seed)
    network, _ = networks.build(architecture, SIZE, len(CLASSES) if conditional else 0, **NETWORKS[architecture])
    noise = np.random.default_rng(seed)
    for variable in network.trainable_variables:
        variable.assign(variable.value + 0.2 * noise.standard_normal(variable.shape))
    network.save_weights(folder / "generator.weights.h5")
    settings = asdict(config.TrainingConfig(architecture, 1, 1, network=NETWORKS[architecture]))
    record = {"image_size": SIZE, "classes": CLASSES, "data": "discs", "conditional": conditional}
    (folder / "model.json").write_text(json.dumps(record | {"settings": settings}))


def discs(count, seed):
    """(images (count, SIZE, SIZE, 1) uint8, labels (count,)) of large and small discs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    labels = np.arange(count) % 2
    centres = random.uniform(12, 20, (count, 2))
    radii = np.where(labels == 0, 10, 5)
    distances = np.stack([np.hypot(y - a, x - b) - r for (a, b), r in zip(centres, radii, strict=True)])
    return (np.clip(0.5 - distances, 0, 1) * 255).astype(np.uint8)[..., None], labels


def write_runs(outputs):
    """Write outputs/trained, with three models and their measurements, and outputs/bare, with nothing measured."""
    run = outputs / "trained"
    for number, (architecture, conditional) in enumerate((("dcgan", False), ("cgan", True), ("stylegan2", True))):
        write_model(run / "models" / architecture, architecture, conditional, number)
    write_model(outputs / "bare" / "models" / "dcgan", "dcgan", False, 9)
    images, labels = discs(80, 0)
    held_out, answers = discs(60, 1)
    classifiers = []
    for name, seed in (("feature_classifier", 0), ("label_classifier", 1)):
        train = ImageSet(images, labels, classes=CLASSES)
        metrics.save_classifier(metrics.train_feature_classifier(train, None, SIZE, seed, steps=60), run / name)
        classifiers.append(metrics.load_classifier(run / name))
    test = ImageSet(held_out, answers, np.arange(60) // 2, classes=CLASSES)
    results.write(run, "calibration/label_classifier", metrics.calibration(classifiers[1], test))
    metrics.save_reference(metrics.outlier_reference(classifiers[0], images, held_out), run / "feature_classifier")
    results.write(run, "quality/cgan", {"metrics": {"kernel_distance": METRIC}})
    training = {"kimg": 1.5, "seconds": 60.0, "collapsed_at_kimg": []}
    results.write(run, "training/cgan", training | {"parameters": {"generator": 10, "discriminator": 20}})
    (run / "run.json").write_text(json.dumps({"profile": "smoke", "data": []}))
    return outputs


def write_earlier_run(run, folder):
    """Copy a run as a version before the names of today would have written it."""
    shutil.copytree(run, folder)
    for name, earlier in {"feature_classifier": "domain", "label_classifier": "judge"}.items():
        (folder / name).rename(folder / earlier)
        for suffix in (".keras", ".json"):
            (folder / earlier / f"classifier{suffix}").rename(folder / earlier / f"domain{suffix}")
    for path in folder.rglob("*.json"):
        text = path.read_text()
        for name, earlier in EARLIER_NAMES.items():
            text = text.replace(f'"{name}"', f'"{earlier}"')
        path.write_text(text)
