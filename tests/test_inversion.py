import keras
import numpy as np
import pytest
import tensorflow as tf
from app_models import SIZE, discs, write_model
from skimage.metrics import peak_signal_noise_ratio
from tiny_stylegan import generator

from medgan_tf import figures, generators, metrics, networks
from medgan_tf.generators import inversion


@pytest.fixture(scope="module")
def gan():
    yield generator(image_size=32)
    keras.backend.clear_session()


@pytest.fixture(scope="module")
def extractor():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.RandomTranslation(0.1, 0.1)(inputs)
    for filters in (8, 16):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"last_{filters}")(x)
    return metrics.custom("tiny", keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x)), 24)


# Schedule and losses


def test_the_schedule_is_the_papers():
    noise, rates = inversion.schedule(2000)
    time = (np.arange(2000) + 0.5) / 2000
    np.testing.assert_allclose(noise[[0, 750, 1499]], (1 - time[[0, 750, 1499]] / 0.75) ** 2)
    assert (noise[1500:] == 0).all()
    np.testing.assert_allclose(rates[:100], time[:100] / 0.05)
    np.testing.assert_allclose(rates[100:1500], 1)
    np.testing.assert_allclose(rates[[1749, 1750]], 0.5, atol=1e-2)
    assert rates[-1] < 1e-5
    assert (np.diff(rates[1500:]) < 0).all()


def test_pixels_are_compared_at_every_scale():
    flat = tf.fill((2, 32, 32, 1), 0.5)
    np.testing.assert_allclose(inversion.pixel_loss(flat), 3 * 0.25)  # at 32, 16 and 8 px
    checks = 0.5 * (-1.0) ** np.add.outer(np.arange(32), np.arange(32))[None, ..., None]
    np.testing.assert_allclose(inversion.pixel_loss(tf.constant(checks)), 0.25)  # means of 2 x 2 are 0


def test_feature_maps_are_the_last_of_each_resolution_with_unit_vectors(extractor):
    images = tf.constant(np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)), tf.float32)
    maps = inversion.feature_maps(extractor)(images)
    assert [tuple(part.shape) for part in maps] == [(2, 12, 12, 8), (2, 6, 6, 16)]
    raw = keras.Model(extractor.model.inputs, extractor.model.get_layer("last_16").output)
    raw = raw(metrics.features.prepare(images, 24, 3), training=False).numpy()
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    np.testing.assert_allclose(maps[1], raw / np.maximum(length, 1e-3), atol=1e-5)


def test_the_feature_loss_is_a_squared_distance_of_vectors():
    one, other = np.zeros((2, 3, 4, 5), np.float32), np.zeros((2, 3, 4, 5), np.float32)
    one[..., 0] = other[0, ..., 1] = other[1, ..., 0] = 1
    np.testing.assert_allclose(inversion.feature_loss(one, other), [2, 0])


def test_feature_maps_have_a_gradient_at_the_image(extractor):
    """Finite differences, through the resizing from 32 to 24 px."""
    random = np.random.default_rng(0)
    images, move = (tf.constant(random.uniform(-0.5, 0.5, (1, 32, 32, 1)), tf.float32) for _ in range(2))
    maps = inversion.feature_maps(extractor)
    wanted = [-part for part in maps(-images)]

    def loss(x):
        return sum(map(inversion.feature_loss, maps(x), wanted))[0]

    with tf.GradientTape() as tape:
        tape.watch(images)
        value = loss(images)
    slope = tf.reduce_sum(tape.gradient(value, images) * move)
    expected = (loss(images + 1e-3 * move) - loss(images - 1e-3 * move)) / 2e-3
    assert abs(slope) > 1e-3
    assert float(slope) == pytest.approx(float(expected), rel=0.05)


# Inversion


def test_images_of_the_generator_itself_are_recovered(gan, extractor):
    """In W almost exactly, unless the optimisation ends in a local minimum; in W+, where many latents fit, nearly."""
    images = gan.sample(4, seed=11)
    average = metrics.psnr(images, gan.sample(4, truncation=0), paired_by="inversion")
    found = {space: generators.invert(gan, images, space, None, extractor, steps=200) for space in ("w", "w+")}
    for result in found.values():
        assert result.latents.shape == (4, gan.styles.num_ws, 12)
        assert result.losses.shape == (200, 4)
        np.testing.assert_array_equal(result.images, gan.synthesise(result.latents))
        expected = [peak_signal_noise_ratio(a, b) for a, b in zip(images, result.images, strict=True)]
        np.testing.assert_allclose(result.psnr, expected)
        np.testing.assert_allclose(result.ssim, metrics.ssim(images, result.images, paired_by="inversion"))
        assert (result.losses[-1] < 0.5 * result.losses[0]).all()
    assert (found["w"].psnr > average + 5).all()
    assert found["w"].psnr.max() > 50
    assert (found["w+"].psnr > average + 10).all()
    assert np.ptp(found["w"].latents, axis=1).max() == 0 < np.ptp(found["w+"].latents, axis=1).max(axis=1).min()


def test_the_seed_determines_the_result(gan):
    images = gan.sample(2, seed=11)
    one, again, other = (generators.invert(gan, images, steps=8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.latents, again.latents)
    np.testing.assert_array_equal(one.losses, again.losses)
    assert (one.losses[0] != other.losses[0]).all()


def test_w_plus_comes_nearer_than_w_to_what_the_generator_cannot_make(gan):
    rows = np.linspace(0, 1, 32)
    images = (127 + 100 * np.sin(6 * np.add.outer(rows, [rows, rows**2]).swapaxes(0, 1)))[..., None].astype(np.uint8)
    average = metrics.psnr(images, gan.sample(2, truncation=0), paired_by="inversion")
    one, layered = (generators.invert(gan, images, space=space, steps=100).psnr for space in ("w", "w+"))
    assert (average + 1 < one).all()
    assert (one + 1 < layered).all()


def test_stylegan3_can_be_inverted():
    gan = generator("stylegan3")
    images = gan.sample(1, seed=2)
    result = generators.invert(gan, images, steps=60)
    assert result.psnr > metrics.psnr(images, gan.sample(1, truncation=0), paired_by="inversion") + 5


def test_in_z_a_generators_own_images_are_recovered_and_others_are_not(tmp_path):
    write_model(tmp_path / "model", "cgan", True)
    gan, labels = generators.load(tmp_path / "model"), ["large", "small"]
    own = gan.sample(2, labels, seed=77)
    found, again = (generators.invert(gan, own, "z", labels, steps=60) for _ in range(2))
    assert found.ssim.min() > 0.8
    assert found.losses.shape == (60, 2)
    np.testing.assert_array_equal(found.latents, again.latents)
    np.testing.assert_allclose(np.linalg.norm(found.latents, axis=1), np.sqrt(6), rtol=1e-4)
    foreign = generators.invert(gan, discs(2, 0)[0], "z", labels, steps=60)
    assert foreign.psnr.max() < found.psnr.min()
    with pytest.raises(ValueError, match="takes uint8 images"):
        generators.invert(gan, own[:, : SIZE // 2], "z", labels)
    with pytest.raises(ValueError, match="Give one label"):
        generators.invert(gan, own, "z", ["large", "huge"])


def test_what_cannot_be_inverted_is_refused_in_a_sentence(gan):
    images = gan.sample(2)
    for wrong in (images[:, :16], images[..., 0], images.astype(float), images[:0]):
        with pytest.raises(ValueError, match=r"takes uint8 images \(n, 32, 32, 1\), not"):
            generators.invert(gan, wrong)
    with pytest.raises(ValueError, match="'z', 'w', 'w\\+', not 'x'"):
        generators.invert(gan, images, space="x")
    with pytest.raises(ValueError, match="at least 1 step, not 0"):
        generators.invert(gan, images, steps=0)
    callable_only = metrics.custom("callable", lambda x: tf.reduce_mean(x, axis=(1, 2)), 32)
    with pytest.raises(ValueError, match="'callable' shows no feature maps"):
        generators.invert(gan, images, extractor=callable_only)
    with pytest.raises(ValueError, match="Labels are for space 'z'"):
        generators.invert(gan, images, "w", ["a", "b"])
    network, _ = networks.build("dcgan", 32, 0, latent_dim=4, base_filters=4)
    plain = generators.Generator(network, {"classes": [], "conditional": False, "settings": {"architecture": "dcgan"}})
    with pytest.raises(ValueError, match="This dcgan has no styles"):
        generators.invert(plain, images)


def test_a_figure_shows_each_image_above_its_reconstruction(gan):
    originals, found = gan.sample(2, seed=1), gan.sample(2, seed=2)
    figure = figures.pairs(originals, found, ["first", "second"], "pairs", "A caption.").plot
    shown = [axis.images[0].get_array() for axis in figure.axes]
    np.testing.assert_array_equal(shown, np.concatenate([originals, found])[..., 0])
    assert [axis.get_title() for axis in figure.axes] == ["first", "second", "", ""]
