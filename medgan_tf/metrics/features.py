"""Feature extractors: what turns images into the vectors that every metric compares.

The name of the extractor and the hash of its weights belong to every number computed from its features;
numbers from different extractors are not comparable.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from medgan_tf.datasets import ImageSet
from medgan_tf.files import sha256_of_weights

from .extractor import Extractor, Features, on_images, prepare
from .feature_classifier import load_classifier, save_classifier, train_feature_classifier
from .radimagenet import SOURCE as RADIMAGENET
from .radimagenet import radimagenet
from .squeezenet import SOURCE as SQUEEZENET
from .squeezenet import squeezenet

__all__ = [
    "Extractor",
    "Features",
    "custom",
    "extract",
    "extractor",
    "inception",
    "keras_inception",
    "load_classifier",
    "prepare",
    "radimagenet",
    "save_classifier",
    "squeezenet",
    "train_feature_classifier",
]

BATCH = 64
INCEPTION_HANDLE = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"  # tfgan.eval.INCEPTION_TFHUB
KERAS_WEIGHTS = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"
KERAS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/{KERAS_WEIGHTS}"


def extractor(name, folder=None):
    """The extractor of this name: "inception", "keras_inception", "domain" from the folder it was saved to, or
    "radimagenet" or "squeezenet" from its weight file or a folder with that; or the Keras model in a file NAME.keras,
    see `from_file`.

    `domain` needs no download and is the default where nothing can be fetched. Raises ValueError for other
    names.
    """
    if str(name).endswith(".keras"):
        return from_file(name)
    local = {
        "feature_classifier": (load_classifier, "is trained on your images: give the folder it was saved to"),
        "radimagenet": (radimagenet, f"cannot be fetched by a program: give the weight file, from {RADIMAGENET}"),
        "squeezenet": (squeezenet, f"reads its weights from a file: give it, from {SQUEEZENET}"),
    }
    published = {"inception": inception, "keras_inception": keras_inception}
    if name in local:
        load, remedy = local[name]
        if folder is None:
            raise ValueError(f"the {name} extractor {remedy}")
        return load(folder)
    if name not in published:
        raise ValueError(f"no extractor is called {name!r}: choose {', '.join([*local, *published])}, or a file .keras")
    return published[name]()


def extract(extractor, images, cache=None):
    """`Features` of an `ImageSet` (as 8 bits) or of an array uint8 or uint16 (N, H, W, 1), computed in batches.

    With a `cache` folder they are kept there under the hash of the images, the extractor's name and its
    weights, and read back instead of computed again. Raises ValueError for other arrays.
    """
    images = images.images if isinstance(images, ImageSet) else np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 1 or images.dtype not in (np.uint8, np.uint16) or len(images) == 0:
        raise ValueError(f"images must be uint8 or uint16 (N, H, W, 1), not {images.dtype} {images.shape}")
    path = Path(cache) / f"{_content_hash(extractor, images)}.npz" if cache else None
    if path and path.exists():
        with np.load(path) as stored:
            return Features(stored["features"], stored.get("logits"))
    batches = range(0, len(images), BATCH)
    parts = [
        extractor.function(images[i : i + BATCH])
        for i in tqdm(batches, f"{extractor.name} features", unit="batch", leave=False)
    ]
    features = Features(*(None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)))
    if path:
        _store(path, features)
    return features


def inception():
    """The 2015 Inception graph that published FID, KID and IS values use: pool_3 (N, 2048) and logits (N,
    1008).

    Loaded from TensorFlow Hub by tensorflow-gan's handle, or from the folder named in MEDGAN_TF_INCEPTION.
    Raises FileNotFoundError where neither is there.
    """
    import tensorflow_hub

    handle = os.environ.get("MEDGAN_TF_INCEPTION", INCEPTION_HANDLE)
    try:
        folder = Path(tensorflow_hub.resolve(handle))
        module = tensorflow_hub.load(str(folder))
    except Exception as error:  # the hub raises what its transport raised: URLError, OSError, RuntimeError
        raise FileNotFoundError(
            f"the Inception graph could not be loaded from {handle}: unpack {INCEPTION_HANDLE}"
            "?tf-hub-format=compressed into a folder and set MEDGAN_TF_INCEPTION to that folder"
        ) from error

    def network(images):
        outputs = module(images)
        return outputs["pool_3"], outputs["logits"]

    return Extractor("inception", _folder_hash(folder), 299, on_images(network, 299, channels=3))


def keras_inception():
    """InceptionV3 with Keras's ImageNet weights: average pool (N, 2048), no logits. Not the graph of
    published FIDs.

    Weights are fetched by Keras, or read from the file named in MEDGAN_TF_KERAS_INCEPTION. Raises
    FileNotFoundError where neither is there.
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
    function = on_images(lambda images: model(images, training=False), 299, channels=3)
    return Extractor("keras_inception", sha256_of_weights(model), 299, function, model)


def custom(name, network, image_size):
    """An extractor from any Keras model or callable, for example one with radiology weights.

    `network` receives float32 (N, image_size, image_size, C) in [-1, 1], C being a model's own number of
    channels (grey is repeated) and 1 for a callable, and returns features, or a pair (features, logits). A
    callable's weights cannot be read: its hash is that of its response to a fixed probe.
    """
    is_model = hasattr(network, "get_weights")
    channels = network.input_shape[-1] if is_model else 1
    call = (lambda images: network(images, training=False)) if is_model else network
    function = on_images(call, image_size, channels, compiled=is_model)
    digest = sha256_of_weights(network) if is_model else _probe_hash(function, image_size)
    return Extractor(name, digest, image_size, function, network if is_model else None)


def from_file(path):
    """The `custom` extractor of a Keras model saved as path, .keras, called by the file's name.

    The model takes images (N, S, S, C) in [-1, 1], of one size S, and returns features, or features and logits. Raises
    FileNotFoundError where there is no such file, ValueError where it holds no such model or one that cannot be loaded.
    """
    import keras

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: give a Keras model that model.save has written")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # of a damaged file, an unknown layer, code that safe mode refuses: each another type
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


def _folder_hash(folder):
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _probe_hash(function, image_size):
    probe = np.random.default_rng(0).integers(0, 256, (4, image_size, image_size, 1), np.uint8)
    return hashlib.sha256(function(probe).features.astype(np.float16).tobytes()).hexdigest()


def _content_hash(extractor, images):
    digest = hashlib.sha256(np.ascontiguousarray(images))
    made_by = f"{extractor.name} {extractor.image_size} {extractor.weights_sha256}"
    digest.update(f"{images.dtype} {images.shape} {made_by}".encode())
    return digest.hexdigest()


def _store(path, features):
    """Written beside and renamed, so that an interrupted run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(partial, **{name: array for name, array in features._asdict().items() if array is not None})
    partial.replace(path)
