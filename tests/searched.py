"""A search of six tiny trainings in a process of its own, for the test that kills it; run it again to go on."""

from dataclasses import replace

import numpy as np
from PIL import Image
from train_process import SETTINGS

from medgan_tf import config, datasets, metrics
from medgan_tf.cli.search import search

SPACE = {"dcgan.generator_learning_rate": "1e-4..1e-2", "dcgan.network.base_filters": [2, 4]}


def prepared():
    """The run, as notebook 01 would have left it."""
    profile = config.PROFILES["smoke"]
    short = replace(SETTINGS, kimg=0.128, kimg_per_epoch=0.064)
    tiny = replace(profile, image_size=16, models=profile.models | {"dcgan": short})
    config.PROFILES["smoke"] = tiny
    run = config.open_run("r", "smoke")
    if not run.feature_classifier.is_dir():
        pixels = np.random.default_rng(0).integers(0, 255, (60, 16, 16), np.uint8)
        for index, image in enumerate(pixels):
            path = run.images / ("sick" if index % 2 else "well") / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        train = datasets.load(run.images, 16).train
        metrics.save_classifier(metrics.train_feature_classifier(train, image_size=16, steps=2), run.feature_classifier)
    return run


if __name__ == "__main__":
    search(prepared(), "dcgan", SPACE, 6)
