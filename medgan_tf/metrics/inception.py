"""Two InceptionV3 extractors trained on ImageNet: the graph of published FIDs, and Keras's own."""

import hashlib
import os
from pathlib import Path

from . import tfgan
from .custom_extractor import custom
from .features import Extractor, on_images

KERAS_WEIGHTS = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/{KERAS_WEIGHTS}"


def inception():
    """The 2015 Inception graph that published FID, KID and IS values use: pool_3 (N, 2048) and logits (N, 1008).

    Loaded from TensorFlow Hub by tensorflow-gan's handle, or from the folder named in MEDGAN_TF_INCEPTION. Raises
    FileNotFoundError if neither is available.
    """
    import tensorflow_hub

    published = tfgan.part("eval").INCEPTION_TFHUB
    handle = os.environ.get("MEDGAN_TF_INCEPTION", published)
    try:
        folder = Path(tensorflow_hub.resolve(handle))
        module = tensorflow_hub.load(str(folder))
    except Exception as error:  # any error of the hub's transport: URLError, OSError, RuntimeError
        raise FileNotFoundError(
            f"the Inception graph could not be loaded from {handle}: unpack {published}"
            "?tf-hub-format=compressed into a folder and set MEDGAN_TF_INCEPTION to that folder"
        ) from error

    def network(images):
        outputs = module(images)
        return outputs["pool_3"], outputs["logits"]

    return Extractor("inception", _folder_hash(folder), 299, on_images(network, 299, channels=3))


def keras_inception():
    """InceptionV3 with Keras's ImageNet weights: average pool (N, 2048), no logits. Not the graph of published FIDs.

    Weights are fetched by Keras, or read from the file named in MEDGAN_TF_KERAS_INCEPTION. Raises FileNotFoundError if
    neither is available.
    """
    import keras

    weights = os.environ.get("MEDGAN_TF_KERAS_INCEPTION", "imagenet")
    try:
        model = keras.applications.InceptionV3(weights=weights, include_top=False, pooling="avg")
    except Exception as error:  # Keras raises a bare Exception for a failed download
        raise FileNotFoundError(
            f"InceptionV3 weights could not be loaded from {weights}: save {KERAS_URL} anywhere and set "
            f"MEDGAN_TF_KERAS_INCEPTION to that file"
        ) from error
    return custom("keras_inception", model, 299)


def _folder_hash(folder):
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
