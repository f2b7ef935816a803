"""Features of a projected discriminator that have seen no images but those of the training split."""

import keras

from medgan_tf import metrics
from medgan_tf.files import atomic_write
from medgan_tf.networks import efficientnet_lite0, projected


def train_features(train, path, image_size=128, seed=0, steps=None):
    """Train EfficientNet-Lite0 as `metrics.train_feature_classifier` trains its network; write its weights to `path`.

    train: an `ImageSet`. path: a file NAME.weights.h5, which `networks.projected` takes as its features. image_size: px
    of the squares that it is trained on. It serves as a control: what remains of a projected discriminator's gain
    without ImageNet? Returns the report of the training: accuracy, steps, seconds.
    """
    keras.utils.set_random_seed(seed)

    def pooled_maps(x, seeds):
        return keras.layers.GlobalAveragePooling2D()(efficientnet_lite0.feature_maps(x, trained=True)[-1])

    trained = metrics.train_feature_classifier(
        train, image_size=image_size, seed=seed, steps=steps, backbone=pooled_maps
    )
    network = projected.feature_network((image_size, image_size), "random")
    efficientnet_lite0.fold(trained.model, network)
    atomic_write(path, network.save_weights)
    return trained.report
