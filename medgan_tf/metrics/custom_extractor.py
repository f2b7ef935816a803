"""Extractors from a Keras model or a function of your own."""

import hashlib
from pathlib import Path

import numpy as np

from medgan_tf.files import sha256_of_weights

from .features import Extractor, on_images


def custom(name, network, image_size):
    """An `Extractor` from any Keras model or callable, for example one with radiology weights.

    `network` receives float32 (N, image_size, image_size, C) in [-1, 1], where C is the model's own number of
    channels and 1 for a callable (see `features.prepare`), and returns features, or a pair (features, logits). The
    weights of a callable cannot be read: its hash is that of its output for fixed random images.

    >>> metrics.custom("mean", lambda images: np.asarray(images).mean((1, 2)), 32)
    """
    is_model = hasattr(network, "get_weights")
    channels = network.input_shape[-1] if is_model else 1
    call = (lambda images: network(images, training=False)) if is_model else network
    function = on_images(call, image_size, channels, compiled=is_model)
    digest = sha256_of_weights(network) if is_model else _probe_hash(function, image_size)
    return Extractor(name, digest, image_size, function, network if is_model else None)


def from_file(path):
    """The `custom` extractor of the Keras model saved in a .keras file, with the file's name.

    The model takes images (N, S, S, C) in [-1, 1] of one size S and returns features, or features and logits. Raises
    FileNotFoundError if there is no such file, and ValueError for another model or one that cannot be loaded.
    """
    import keras

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: give a Keras model that model.save has written")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # damaged file, unknown layer, code that safe mode refuses: each has another type
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise ValueError(
            f"{path} cannot be loaded as a Keras model ({reason}): save it with model.save in Keras 3, without layers"
            " of your own, or use metrics.custom in Python"
        ) from error
    shape, outputs = getattr(model, "input_shape", None), getattr(model, "output", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:] or shape[1] != shape[2]:
        raise ValueError(f"{path} takes {shape}, and not square images of one size, (None, S, S, C)")
    if isinstance(outputs, dict) or (isinstance(outputs, list | tuple) and len(outputs) != 2):
        raise ValueError(
            f"{path} returns {list(outputs) if isinstance(outputs, dict) else f'{len(outputs)} outputs'}, and not"
            " features, or features and logits; a run's classifier is loaded by --features feature_classifier"
        )
    return custom(path.stem, model, shape[1])


def _probe_hash(function, image_size):
    probe = np.random.default_rng(0).integers(0, 256, (4, image_size, image_size, 1), np.uint8)
    return hashlib.sha256(function(probe).features.astype(np.float16).tobytes()).hexdigest()
