"""A discriminator that sees images through fixed features: Projected GAN (Sauer et al. 2021, arXiv 2111.01007).

A pretrained network knows edges, textures and shapes from the first step, so the generator learns from scores that a
discriminator of pixels would need many images to give. So that no part of the features can be ignored, fixed random
convolutions mix the channels of each map (cross-channel mixing) and add the deeper maps to the shallower ones
(cross-scale mixing). On each of the four mixed maps a small head scores patches; only the heads are trained.
"""

import math

import keras
from keras import layers, ops

from medgan_tf import config
from medgan_tf.networks import efficientnet_lite0
from medgan_tf.networks.layers import LabelEmbedding
from medgan_tf.networks.replicas import batch_normalisation

STRIDE = 32  # px of the image for each of the coarsest map
HEAD_SIZE = 8  # px: heads halve their map to this size and then score patches of 4 px
FEATURES = ("imagenet", "keras", "random")
KERAS_TAPS = ("block2b_add", "block3b_add", "block5c_add", "block7a_project_bn")  # strides 4, 8, 16 and 32


def build(image_size, num_classes=0, features="imagenet", feature_size=128, filters=32, channels=1):
    """[(B, H, W, channels) in [-1, 1], labels (B,)] -> (B, N): scores without sigmoid of N patches of all four heads.

    Args:
        image_size: (height, width).
        num_classes: 0 for no labels; otherwise each head scores an image given its label, by projection.
        features: the fixed network. EfficientNet-Lite0 with weights of "imagenet", which a package brings, with
            "random" ones, or with those of a file that `training.train_features` wrote, as its path from the folder of
            all runs; "keras": EfficientNetB0, whose ImageNet weights Keras downloads once.
        feature_size: px of the shorter side of the images that the feature network sees; they are resized to it, and
            the longer side to the nearest multiple of 32.
        filters: channels of the first mixed map; the deeper ones have twice, 4 and 8 times as many.

    Raises ValueError for unknown features, an impossible size or a failed download, and ModuleNotFoundError where the
    package with ImageNet's weights is absent.
    """
    if feature_size < STRIDE or feature_size % STRIDE:
        raise ValueError(
            f"feature_size is a multiple of {STRIDE} px, the stride of the coarsest map, not {feature_size}."
        )
    images, labels = keras.Input((*image_size, channels), name="images"), keras.Input((), dtype="int32", name="labels")
    size = [STRIDE * round(side * feature_size / min(image_size) / STRIDE) for side in image_size]
    seen = layers.Resizing(*size, dtype="float32")(images) if size != list(image_size) else images
    maps = feature_network(size, features, channels)(seen)
    scores = [_head(mixed, labels if num_classes else None, num_classes) for mixed in _mixed(maps, filters)]
    outputs = layers.Concatenate(dtype="float32")([layers.Flatten()(score) for score in scores])
    return keras.Model([images, labels] if num_classes else images, outputs, name="projected")


def feature_network(image_size, features, channels=1):
    """The fixed network: (B, H, W, channels) in [-1, 1] -> maps of strides 4, 8, 16 and 32; features as in `build`."""
    images = keras.Input((*image_size, channels))
    if features == "keras":
        return _of_keras(images)
    network = keras.Model(images, efficientnet_lite0.feature_maps(images), name="features")
    if features == "imagenet":
        efficientnet_lite0.load_imagenet(network)
    elif (config.outputs() / features).is_file():
        network.load_weights(config.outputs() / features)
    elif features != "random":
        raise ValueError(f"There are no features '{features}': choose {', '.join(FEATURES)}, or a file of weights.")
    network.trainable = False
    return network


def _of_keras(images):
    """EfficientNetB0 of keras.applications, which scales pixels of 0 to 255 in three channels by itself."""
    pixels = layers.Rescaling(127.5, 127.5)(images)
    coloured = layers.Concatenate()([pixels] * 3) if images.shape[-1] == 1 else pixels
    try:
        network = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_tensor=coloured)
    except Exception as error:  # Keras raises a bare Exception for a failed download
        raise ValueError(
            f"The weights of EfficientNetB0 could not be downloaded ({error}): connect to the internet once, or choose"
            " features 'imagenet', which a package brings."
        ) from error
    features = keras.Model(images, [network.get_layer(name).output for name in KERAS_TAPS], name="features")
    features.trainable = False
    return features


def _mixed(maps, filters):
    """The maps from shallow to deep, each with its channels mixed and all deeper ones added, at twice its size."""
    mixed, deeper = [], None
    for level, x in reversed(list(enumerate(maps))):
        x = _fixed(filters * 2**level, 1, f"channels{level}")(x)
        if deeper is not None:
            x = layers.Add()([x, _fixed(x.shape[-1], 1, f"match{level}")(deeper)])
        deeper = layers.UpSampling2D(interpolation="bilinear")(_fixed(x.shape[-1], 3, f"scales{level}")(x))
        mixed.insert(0, deeper)
    return mixed


def _fixed(filters, size, name):
    """A random convolution that is not trained."""
    return layers.Conv2D(
        filters, size, padding="same", kernel_initializer="he_normal", use_bias=False, trainable=False, name=name
    )


def _head(x, labels, num_classes):
    """(B, h, w, 1): scores of patches of one map."""
    while min(x.shape[1:3]) > HEAD_SIZE:
        x = SpectralConv2D(min(2 * x.shape[-1], 256), 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(batch_normalisation()(x))
    x = SpectralConv2D(64, min(4, *x.shape[1:3]))(x)
    score = SpectralConv2D(1, 1)(x)
    if labels is None:
        return score
    label = LabelEmbedding(num_classes, 64, embeddings_initializer=keras.initializers.RandomNormal(0, 1))(labels)
    return score + ops.sum(x * ops.reshape(label, (-1, 1, 1, 64)), axis=-1, keepdims=True) / math.sqrt(64)


@keras.saving.register_keras_serializable("medgan_tf")
class SpectralConv2D(layers.Conv2D):
    """A convolution divided by the largest singular value of its kernel (Miyato et al. 2018, arXiv 1802.05957).

    keras.layers.SpectralNormalization overwrites the kernel at each call instead, which several devices cannot do.
    """

    def __init__(self, filters, kernel_size, **settings):
        super().__init__(filters, kernel_size, **{"use_bias": False, **settings})

    def build(self, input_shape):
        """Make the kernel and the left singular vector that the power iteration follows."""
        super().build(input_shape)
        self.direction = self.add_weight(
            shape=(self.filters, 1),
            initializer="random_normal",
            trainable=False,
            autocast=False,
            name="direction",
            aggregation="only_first_replica",
        )

    def call(self, x, training=False):
        """Convolve; with training, take one step of the power iteration."""
        matrix = ops.reshape(ops.cast(self.kernel, "float32"), (-1, self.filters))
        right = ops.stop_gradient(ops.normalize(ops.matmul(matrix, self.direction), axis=0))
        left = ops.stop_gradient(ops.normalize(ops.matmul(ops.transpose(matrix), right), axis=0))
        if training:
            self.direction.assign(left)
        largest = ops.sum(right * ops.matmul(matrix, left))
        return super().call(x) / ops.cast(largest, x.dtype)
