"""Feature extractors: preprocessing, cache, the feature classifier, and the published graphs from local files."""

import dataclasses
import random

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medgan_tf.datasets import ImageSet
from medgan_tf.metrics import (
    custom,
    extract,
    extractor,
    load_classifier,
    prepare,
    save_classifier,
    squeezenet,
    train_feature_classifier,
)


def textures(count, sigma, seed, size=32):
    noise = np.random.default_rng(seed).normal(size=(count, size, size))
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma))
    return np.clip(128 + 45 * smooth / smooth.std(), 0, 255).astype(np.uint8)[..., None]


def two_classes(count, seed):
    images = np.concatenate([textures(count // 2, 1.2, seed), textures(count // 2, 2.4, seed + 1)])
    return ImageSet(images, np.repeat([0, 1], count // 2), classes=("fine", "coarse"))


@pytest.fixture(scope="module")
def feature_classifier():
    return train_feature_classifier(two_classes(200, 0), two_classes(100, 10), 32, steps=60)


def test_prepare_is_the_antialiased_bicubic_of_pillow():
    image = textures(1, 1.0, 0, size=96)
    import tensorflow as tf

    ours = (prepare(tf.constant(image), 40).numpy()[0, ..., 0] + 1) * 127.5
    theirs = np.asarray(Image.fromarray(image[0, ..., 0].astype(np.float32)).resize((40, 40), Image.Resampling.BICUBIC))
    assert np.abs(ours - theirs.clip(0, 255)).max() < 0.5
    aliased = image[0, 1::2, 1::2, 0][:40, :40]
    assert np.abs(ours - aliased).mean() > 5


def test_prepare_keeps_16_bits_and_matches_8_bits(feature_classifier):
    import tensorflow as tf

    image = textures(2, 2.0, 0)
    deep = image.astype(np.uint16) * 257
    np.testing.assert_allclose(prepare(tf.constant(deep), 32, 3), prepare(tf.constant(image), 32, 3), atol=1e-6)
    np.testing.assert_allclose(
        feature_classifier.function(deep).features, feature_classifier.function(image).features, atol=1e-3
    )


def test_features_are_computed_once_and_cached_by_content(tmp_path):
    calls = []

    def network(images):
        calls.append(len(images))
        return np.asarray(images).mean((1, 2)), np.asarray(images).std((1, 2))

    counting = custom("counting", network, 32)
    calls.clear()  # the probe that identifies a callable
    images = textures(150, 2.0, 0)
    first, again = (extract(counting, images, tmp_path) for _ in range(2))
    assert sum(calls) == 150
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.logits, again.logits)
    assert first.features.dtype == np.float32 and first.features.shape == (150, 1)
    changed = images.copy()
    changed[7, 0, 0] ^= 1
    extract(counting, changed, tmp_path)
    extract(dataclasses.replace(counting, weights_sha256="other"), images, tmp_path)
    assert sum(calls) == 450
    assert len(list(tmp_path.iterdir())) == 3


def test_extract_raises_for_anything_but_images_of_integers(feature_classifier):
    for wrong in (np.zeros((3, 32, 32)), np.zeros((3, 32, 32, 1), np.float32), np.zeros((0, 32, 32, 1), np.uint8)):
        with pytest.raises(ValueError, match="uint8 or uint16"):
            extract(feature_classifier, wrong)


def test_feature_classifier_learns_classes_and_standardises_features(feature_classifier):
    assert feature_classifier.report["held_out"] == 100
    assert feature_classifier.report["accuracy"] > 0.9 and feature_classifier.report["balanced_accuracy"] > 0.9
    images = two_classes(200, 20)
    features, logits = extract(feature_classifier, images)
    assert features.shape == (200, 64) and logits.shape == (200, 2)
    assert (logits.argmax(1) == images.labels).mean() > 0.9
    assert 0.3 < features.std(0).mean() < 3


def test_feature_classifier_is_reproducible_and_does_not_use_the_global_seed():
    before = random.getstate(), np.random.get_state()[1].tolist()
    first, again, other = (
        train_feature_classifier(two_classes(64, 0), image_size=32, seed=seed, steps=5) for seed in (0, 0, 1)
    )
    assert first.weights_sha256 == again.weights_sha256 != other.weights_sha256
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


def test_feature_classifier_without_labels_learns_rotations_and_has_no_logits():
    lit = np.linspace(0.4, 1, 32) * np.linspace(0.7, 1, 32)[:, None]  # a gradient, so that a turn can be seen
    images = (textures(200, 2.0, 0) * lit[..., None]).astype(np.uint8)
    unlabelled = train_feature_classifier(images[:150], images[150:], 32, steps=120)
    assert unlabelled.report["turn_accuracy"] > 0.7  # chance is below 0.6: half of them are upright
    assert unlabelled.report["balanced_turn_accuracy"] > 0.5  # chance is 0.125
    assert unlabelled.report["classes"] == []
    features, logits = extract(unlabelled, images)
    assert features.shape == (200, 64) and logits is None
    one_class = train_feature_classifier(ImageSet(images, np.zeros(200, int), classes=["only"]), image_size=32, steps=2)
    assert extract(one_class, images).logits is None


def test_feature_classifier_is_saved_loaded_and_checked(feature_classifier, tmp_path):
    images = textures(20, 2.0, 3)
    save_classifier(feature_classifier, tmp_path)
    loaded = extractor("feature_classifier", tmp_path)
    assert (loaded.name, loaded.weights_sha256, loaded.report) == (
        "feature_classifier",
        feature_classifier.weights_sha256,
        feature_classifier.report,
    )
    np.testing.assert_array_equal(loaded.function(images).features, feature_classifier.function(images).features)
    save_classifier(train_feature_classifier(two_classes(64, 0), image_size=32, steps=2), tmp_path / "other")
    (tmp_path / "other" / "classifier.keras").replace(tmp_path / "classifier.keras")
    with pytest.raises(ValueError, match="train them again"):
        load_classifier(tmp_path)
    with pytest.raises(FileNotFoundError, match="no feature classifier"):
        load_classifier(tmp_path / "nothing")


def test_custom_takes_any_keras_model():
    import keras

    model = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    images = textures(5, 2.0, 0)
    plugged = custom("mine", model, 24)
    grey = keras.ops.image.resize(images.astype("float32") / 127.5 - 1, (24, 24), "bicubic", antialias=True)
    expected = model(keras.ops.repeat(keras.ops.clip(grey, -1, 1), 3, axis=-1))
    np.testing.assert_allclose(plugged.function(images).features, expected, atol=1e-5)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    assert custom("mine", model, 24).weights_sha256 != plugged.weights_sha256


def test_custom_callables_are_identified_by_their_output():
    one, same, other = (
        custom("c", lambda images, power=power: np.asarray(images).T[0, :, 0].T ** power, 16) for power in (1, 1, 2)
    )
    assert one.weights_sha256 == same.weights_sha256 != other.weights_sha256


@pytest.fixture(scope="module")
def hub_module(tmp_path_factory):
    """A TF-Hub module on disk with the signature of the 2015 graph: images in, pool_3 and logits out."""
    import tensorflow as tf

    class Graph(tf.Module):
        def __init__(self):
            self.kernel = tf.Variable(tf.random.stateless_normal((3, 2048), (0, 1)))
            self.dense = tf.Variable(tf.random.stateless_normal((2048, 1008), (0, 2)) / 45)

        @tf.function(input_signature=[tf.TensorSpec((None, 299, 299, 3))])
        def __call__(self, images):
            pool = tf.reduce_mean(images, (1, 2), keepdims=True) @ self.kernel
            return {"pool_3": pool, "logits": pool[:, 0, 0] @ self.dense}

    folder = tmp_path_factory.mktemp("hub")
    tf.saved_model.save(Graph(), str(folder))
    return folder


def test_inception_reads_a_local_hub_module(hub_module, monkeypatch):
    import tensorflow_hub

    monkeypatch.setenv("MEDGAN_TF_INCEPTION", str(hub_module))
    images = textures(6, 2.0, 0, size=299)
    inception = extractor("inception")
    features, logits = inception.function(images)
    rgb = np.repeat(images, 3, axis=-1).astype(np.float32) / 127.5 - 1
    theirs = tensorflow_hub.load(str(hub_module))(rgb)  # tensorflow-gan's own call needs a layer Keras 3 dropped
    np.testing.assert_allclose(features, theirs["pool_3"][:, 0, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, theirs["logits"], rtol=1e-4, atol=1e-5)
    assert features.shape == (6, 2048) and logits.shape == (6, 1008)
    assert inception.image_size == 299 and len(inception.weights_sha256) == 64


@pytest.mark.slow
def test_keras_inception_reads_local_weights(tmp_path, monkeypatch):
    import keras

    reference = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    reference.save_weights(tmp_path / "inception.weights.h5")
    monkeypatch.setenv("MEDGAN_TF_KERAS_INCEPTION", str(tmp_path / "inception.weights.h5"))
    images = textures(3, 2.0, 0, size=299)
    loaded = extractor("keras_inception")
    features, logits = loaded.function(images)
    expected = reference(np.repeat(images, 3, axis=-1).astype(np.float32) / 127.5 - 1, training=False)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)
    assert features.shape == (3, 2048) and logits is None


@pytest.mark.parametrize("name", ["inception", "keras_inception"])
def test_a_missing_published_graph_raises_with_the_file_to_get(name, tmp_path, monkeypatch):
    variable = f"MEDGAN_TF_{name.upper()}"
    monkeypatch.setenv(variable, str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match=f"https://.*{variable}") as caught:
        extractor(name)
    assert "\n" not in str(caught.value)


def test_extractor_errors_name_the_choices():
    with pytest.raises(ValueError, match="feature_classifier, radimagenet, squeezenet, inception, keras_inception"):
        extractor("vgg")
    with pytest.raises(ValueError, match="folder"):
        extractor("feature_classifier")
    with pytest.raises(ValueError, match=r"give the weight file, from https://github\.com/BMEII-AI/RadImageNet"):
        extractor("radimagenet")


@pytest.mark.slow
def test_radimagenet_builds_the_network_named_by_the_file(tmp_path):
    import keras

    reference = keras.applications.DenseNet121(
        weights=None, include_top=False, pooling="avg", input_shape=(224, 224, 3)
    )
    reference.save(tmp_path / "RadImageNet-DenseNet121-notop.h5")  # the older format, as the authors' files are
    images = textures(2, 2.0, 0, size=224)
    loaded = extractor("radimagenet", tmp_path)
    expected = reference(np.repeat(images, 3, axis=-1).astype(np.float32) / 127.5 - 1, training=False)
    np.testing.assert_allclose(loaded.function(images).features, expected, rtol=1e-3, atol=1e-4)
    assert loaded.name == "radimagenet DenseNet121" and expected.shape == (2, 1024)
    other = tmp_path / "other" / "RadImageNet-ResNet50-notop.h5"
    other.parent.mkdir()
    (tmp_path / "RadImageNet-DenseNet121-notop.h5").rename(other)
    with pytest.raises(ValueError, match="does not hold weights of ResNet50"):
        extractor("radimagenet", other)


def test_missing_radimagenet_weights_raise_with_their_source(tmp_path):
    for missing in (tmp_path, tmp_path / "RadImageNet-ResNet50-notop.h5"):
        with pytest.raises(FileNotFoundError, match=r"get RadImageNet-ResNet50-notop\.h5 .* https://github") as caught:
            extractor("radimagenet", missing)
        assert "\n" not in str(caught.value)


def test_squeezenet_reads_its_weights_by_file_or_folder(tmp_path):
    reference = squeezenet.network()
    reference.save(tmp_path / "squeezenet_weights.h5")  # the older format, as the published file is
    images = textures(2, 2.0, 0, size=227)
    loaded = extractor("squeezenet", tmp_path)
    expected = reference(np.repeat(images, 3, axis=-1).astype(np.float32) / 127.5 - 1, training=False)
    np.testing.assert_allclose(loaded.function(images).features, expected, rtol=1e-3, atol=1e-4)
    assert expected.shape == (2, 512) and reference.count_params() == 722_496
    (tmp_path / "other.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"other\.h5 does not hold SqueezeNet"):
        extractor("squeezenet", tmp_path / "other.h5")
    with pytest.raises(FileNotFoundError, match="missing holds no SqueezeNet weights: get squeezenet_weights_tf"):
        extractor("squeezenet", tmp_path / "missing")


def test_published_squeezenet_weights_are_loaded_into_the_right_layers(shared):
    import tensorflow as tf

    folder = shared / "weights" / "squeezenet"
    loaded = extractor("squeezenet", folder).model
    with h5py.File(next(folder.glob("*.h5"))) as file:
        arrays = []
        for layer in file.attrs["layer_names"]:
            arrays += [np.asarray(file[layer][name]) for name in file[layer].attrs["weight_names"]]
    for mine, theirs in zip(loaded.get_weights(), arrays, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    grey = np.full((1, 227, 227, 1), 128, np.uint8)  # what the network itself receives is 128 less ImageNet's mean
    received = loaded.layers[1](prepare(tf.constant(grey), 227, 3))
    np.testing.assert_allclose(received[0, 0, 0], 128 - np.array([103.939, 116.779, 123.68]), atol=1e-3)
