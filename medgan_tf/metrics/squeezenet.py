"""SqueezeNet 1.1 (Iandola et al. 2016): ImageNet features from a file of 3 MB, without a download."""

from pathlib import Path

from .custom_extractor import custom

IMAGE_SIZE = 227
SOURCE = "https://github.com/DeepCognition/keras-squeezenet"
BLOCKS = [  # of "fire" modules, each after a pooling: (filters that squeeze, filters of each kind that expand)
    [(16, 64), (16, 64)],
    [(32, 128), (32, 128)],
    [(48, 192), (48, 192), (64, 256), (64, 256)],
]
# of blue, green and red, which these weights expect to be subtracted from [0, 255]
IMAGENET_MEAN = (103.939, 116.779, 123.68)


def squeezenet(path):
    """Average-pooled features (N, 512) of SqueezeNet 1.1 with ImageNet weights.

    path: squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5, or a folder that holds it. Not the features of
    published FIDs. Raises FileNotFoundError if there is no such file, and ValueError for other weights.
    """
    path = Path(path)
    file = next(iter(sorted(path.glob("squeezenet*.h5"))), None) if path.is_dir() else path
    if file is None or not file.is_file():
        raise FileNotFoundError(
            f"{path} holds no SqueezeNet weights: get squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5 from "
            f"{SOURCE} and name that file"
        )
    model = network()
    try:
        model.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{file} does not hold SqueezeNet 1.1 without its top; get it again from {SOURCE}") from error
    return custom("squeezenet", model, IMAGE_SIZE)


def network():
    """The Keras model without weights: float32 (N, 227, 227, 3) in [-1, 1] -> (N, 512)."""
    import keras
    from keras import layers

    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    maps = layers.Rescaling(127.5, [127.5 - mean for mean in IMAGENET_MEAN])(images)
    maps = layers.Conv2D(64, 3, strides=2, activation="relu")(maps)
    for modules in BLOCKS:
        maps = layers.MaxPooling2D(3, strides=2)(maps)
        for squeeze, expand in modules:
            squeezed = layers.Conv2D(squeeze, 1, activation="relu")(maps)
            sides = [layers.Conv2D(expand, size, padding="same", activation="relu")(squeezed) for size in (1, 3)]
            maps = layers.Concatenate()(sides)
    return keras.Model(images, layers.GlobalAveragePooling2D()(maps), name="squeezenet")
