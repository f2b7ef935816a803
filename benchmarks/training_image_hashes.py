"""Hashes for published models of an earlier version: python -m benchmarks.training_image_hashes IMAGES MODEL ...

IMAGES is the folder that the models in the folders MODEL were trained on. A file is written only where a model's record
names the same training split.
"""

import sys
from pathlib import Path

from medgan_tf import config, datasets
from medgan_tf.datasets import image_hashes


def write(images, model):
    """Write the file of hashes of one model. Raises ValueError where its record does not name this training split."""
    record = config.read_record(Path(model) / "model.json")
    train = datasets.load(images, record["image_size"]).train
    if record.get("training") != train.record:
        raise ValueError(f"{model}/model.json does not say that the training images are those of {images}.")
    image_hashes.write(image_hashes.hash_images(train), Path(model) / image_hashes.FILE)


if __name__ == "__main__":
    for folder in sys.argv[2:]:
        write(sys.argv[1], folder)
