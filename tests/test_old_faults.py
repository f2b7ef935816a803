"""The faults of the systems that this one replaces, each by name, on the very models that the profiles train."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from network_checks import image_gradient
from PIL import Image

from medgan_tf import config, datasets, generators, metrics, training
from medgan_tf.training import wgan_gp
from medgan_tf.training.gan import REAL

MODELS = config.PROFILES["smoke"].models
CONDITIONAL = ["cgan", "pggan"]
PENALISED = [name for name, settings in MODELS.items() if settings.penalty != "none"]


def build(name, **changes):
    classes = 3 if name in CONDITIONAL else 0
    return training.build(config.PROFILES["smoke"].training(name, **changes), 64, classes)


def pictures(count, seed=0):
    return tf.random.stateless_uniform((count, 64, 64, 1), [seed, 0], -1.0, 1.0)


@pytest.mark.parametrize("name", MODELS)
def test_a_score_is_one_number_an_image_not_169(name):
    gan = build(name)
    assert gan.score(pictures(4), tf.constant([0, 1, 2, 0]), 0, 0).shape == (4, 1)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_label_does_not_cancel_out_of_the_critic(name):
    critic = build(name).discriminator
    zero, one = (image_gradient(critic, pictures(4), tf.fill([4], label)) for label in (0, 1))
    assert np.linalg.norm(zero - one) > 0.1 * np.linalg.norm(zero)


@pytest.mark.parametrize("name", PENALISED)
def test_no_batch_norm_in_a_critic_with_gradient_penalty(name):
    gan = build(name)
    kinds = {type(layer).__name__ for layer in gan.discriminator._flatten_layers()}
    assert not kinds & {"BatchNormalization", "SyncBatchNormalization"}


def test_the_penalty_is_a_mean_over_samples_with_one_uniform_weight_each(monkeypatch):
    gan, drawn = build("cgan", discriminator_steps=1, batch_size=4), []
    penalty, labels = wgan_gp.gradient_penalty, tf.zeros(4, tf.int32)
    monkeypatch.setattr(wgan_gp, "gradient_penalty", lambda *given: drawn.append(given) or penalty(*given))
    gan.discriminator_optimizer.learning_rate = 0.0
    for step in range(50):
        gan.step.assign(step)
        gan.trackers["penalty"].reset_state()
        gan.update_critic(pictures(4, 1), labels, 0)
    _, *last = drawn[-1]
    singly = [
        float(penalty(lambda x: gan.score(x, labels[:1], 0, REAL), *(part[i : i + 1] for part in last)))
        for i in range(4)
    ]
    assert float(gan.trackers["penalty"].result()) == pytest.approx(np.mean(singly), rel=1e-4)
    assert np.ptp(singly) > 1e-4
    assert all(given[-1].shape == (4, 1, 1, 1) for given in drawn)
    weights = np.ravel([given[-1] for given in drawn])
    assert len(np.unique(weights)) == 200
    assert 0 <= weights.min() < 0.05 < 0.95 < weights.max() < 1
    assert np.histogram(weights, 4, (0, 1))[0].min() > 30  # of 50 expected in each quarter


@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_generator_is_updated_once_for_n_critic_updates(name):
    gan = build(name, discriminator_steps=5, batch_size=2)
    gan.train_step((pictures(10), tf.constant([0, 1] * 5)))
    assert int(gan.generator_optimizer.iterations) == 1
    assert int(gan.discriminator_optimizer.iterations) == 5
    assert int(gan.images_seen.numpy()) == 10


def test_the_class_map_travels_with_the_checkpoint(tmp_path):
    """Names that sort otherwise than they were seen, in a folder that knows nothing of the data any more."""
    generator = np.random.default_rng(0)
    for name in ("zebra", "apple", "mango"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(0, 255, (64, 64), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"patient{number}.png")
    data = datasets.load(tmp_path / "images", 64)
    settings = config.PROFILES["smoke"].training("cgan", kimg=0.032, kimg_per_epoch=0.032)
    gan = training.build(settings, 64, len(data.classes))
    training.fit(gan, settings, data, tmp_path / "model")
    for path in (tmp_path / "images").rglob("*.png"):
        path.unlink()
    loaded = generators.load(tmp_path / "model")
    assert loaded.classes == ("apple", "mango", "zebra")
    np.testing.assert_array_equal(loaded.sample(2, "zebra"), loaded.sample(2, 2))
    np.testing.assert_array_equal(loaded.sample(2, "zebra"), gan.sample(2, [2, 2]))
    assert (loaded.sample(2, "zebra") != loaded.sample(2, "apple")).any()
    with pytest.raises(ValueError, match="apple, mango, zebra"):
        loaded.sample(1, "banana")
    record = json.loads((tmp_path / "model" / "model.json").read_text())
    assert record["classes"] == ["apple", "mango", "zebra"]
    keras.backend.clear_session()


def test_files_that_are_no_images_are_not_samples(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(generator.integers(0, 255, (64, 64), np.uint8)).save(folder / f"{number}.png")
    before = datasets.read_images(folder, 64).images
    for name in ("model.json", "log.csv", "generator.weights.h5", ".DS_Store", "._0.png", "Thumbs.db", "grid.png.txt"):
        (folder / name).write_bytes(b"not an image")
    (folder / "tensorboard.png").mkdir()
    after = datasets.read_images(folder, 64)
    np.testing.assert_array_equal(after.images, before)
    assert len(after) == 5
    (folder / "5.png").write_bytes(b"not an image, though its name says so")
    with pytest.raises(ValueError, match=r"5\.png cannot be read as an image"):
        datasets.read_images(folder, 64)


def test_one_image_has_no_frechet_distance():
    features = np.random.default_rng(0).standard_normal((20, 4))
    with pytest.raises(ValueError, match="at least 2 rows"):
        metrics.frechet_distance(features, features[:1])
