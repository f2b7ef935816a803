"""RadImageNet: networks trained on 1.35 million CT, MRI and ultrasound images (Mei et al. 2022)."""

from pathlib import Path

from .custom_extractor import custom

NETWORKS = ("InceptionV3", "ResNet50", "DenseNet121")  # of keras.applications
IMAGE_SIZE = 224
SOURCE = "https://github.com/BMEII-AI/RadImageNet"


def radimagenet(path):
    """Average-pooled features (N, 2048; N, 1024 of DenseNet121) of a network with RadImageNet's weights.

    path: the authors' Keras file, such as RadImageNet-ResNet50-notop.h5, or a folder that holds one; its name says
    which network it is. Medical features are not better as such: those of ImageNet agreed better with readers
    (Woodland et al. 2023, arXiv 2311.13717). Raises FileNotFoundError if there is no such file, and ValueError
    for weights of another network.
    """
    import keras

    path = Path(path)
    candidates = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    found = [(file, name) for file in candidates for name in NETWORKS if name in file.name and file.is_file()]
    if not found:
        raise FileNotFoundError(
            f"{path} holds no RadImageNet weights: get RadImageNet-ResNet50-notop.h5 (or {NETWORKS[0]}, {NETWORKS[2]}) "
            f"by the link in {SOURCE} and name that file"
        )
    file, name = found[0]
    try:
        build = getattr(keras.applications, name)
        model = build(weights=str(file), include_top=False, pooling="avg", input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"{file} does not hold weights of {name} without its top; get it again from {SOURCE}"
        ) from error
    return custom(f"radimagenet {name}", model, IMAGE_SIZE)
