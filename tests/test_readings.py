"""What the records say: readings, copies of training images, and what each metric sees."""

import numpy as np
import pytest
from scipy import ndimage

from medgan_tf.metrics import custom, damage, evaluate, interpret, sensitivity
from medgan_tf.metrics.copies import copies, nearest, nearest_pairs

WORSE = "worse than real by more than chance"
AS_CLOSE = "as close as real images are to each other"


def textures(count, seed=0, size=32):
    """uint8 (count, size, size, 1): smoothed noise, brighter to the right, so that a flip can be seen."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(count, size, size)), (0, 2, 2))
    lit = np.linspace(-50, 50, size)
    return np.clip(128 + lit + 25 * smooth / smooth.std(), 0, 255).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def patches():
    """An extractor that sees brightness in an 8 x 8 grid and how rough the image is."""
    import tensorflow as tf

    def network(images):
        means = tf.image.resize(images, (8, 8), antialias=True)
        rough = tf.image.total_variation(images)[:, None] / 20
        return tf.concat([tf.reshape(means, (len(images), -1)), rough], axis=1)

    return custom("patches", network, 32)


def test_interpret_compares_the_interval_with_real_against_real():
    def words(better, low, high, metric="kernel_distance", real_vs_real=(1.0, 2.0)):
        ends = {"low": low, "high": high, "real_vs_real_low": real_vs_real[0], "real_vs_real_high": real_vs_real[1]}
        return interpret(metric, ends | {"better": better})

    assert words("lower", 2.1, 3) == words("higher", 0.1, 0.9) == WORSE
    assert words("closer to real", 2.1, 3) == f"{WORSE}: too high"
    assert words("closer to real", 0.1, 0.9) == f"{WORSE}: too low"
    closer = "closer than real images are to each other"
    assert words("lower", 0.1, 0.9) == words("higher", 2.1, 3) == closer
    assert words("lower", 0.5, 1.9) == words("higher", 1.1, 9) == words("closer to real", 1, 2) == AS_CLOSE
    unclear = "not distinguishable at this n"
    assert words("lower", 1.5, 2.1) == words("higher", 0.9, 1.5) == unclear
    assert words("closer to real", 0.9, 1.5) == words("closer to real", 1.5, 2.1) == unclear
    assert words("lower", 1, 1, real_vs_real=(1, 1)) == AS_CLOSE
    assert words("lower", np.nan, np.nan) == words("lower", 1, 2, real_vs_real=(np.nan, np.nan)) == "not measured"
    assert words("lower", 2.1, 3, "copies") == "memorised"
    assert words("lower", 1, 2, "frechet_distance_infinity") == "n is too small to extrapolate"
    assert words("lower", 1, 2, "frechet_distance_infinity", real_vs_real=(-1, 0.5)) == WORSE


def test_few_images_in_many_dimensions_cannot_be_extrapolated():
    extractor = custom("pixels", lambda images: np.asarray(images)[:, ::2, ::2, 0].reshape(len(images), -1), 32)
    generator = np.random.default_rng(0)
    real, fake = generator.integers(0, 256, (2, 100, 32, 32, 1), np.uint8)
    record = evaluate(real, fake, extractor, repeats=5)["frechet_distance_infinity"]
    assert record["real_vs_real_low"] > 0 and record["interpretation"] == "n is too small to extrapolate"


def test_copies_are_closer_than_the_first_percentile_of_held_out_images():
    generator = np.random.default_rng(0)
    training, held_out, fresh = generator.normal(size=(3, 2000, 3))
    distances = nearest(held_out, training)
    brute = np.sqrt(np.square(held_out[:50, None] - training).sum(-1)).min(1)
    np.testing.assert_allclose(distances[:50], brute, rtol=1e-6)
    assert 0.003 < copies(distances, nearest(fresh, training)) < 0.02
    half = np.concatenate([training[:1000] + 1e-3, fresh[:1000]])
    assert copies(distances, nearest(half, training)) == pytest.approx(0.505, abs=0.01)


def test_the_nearest_pairs_are_the_copies_and_their_originals():
    first_row = custom("first row", lambda images: np.asarray(images)[:, 0, :3, 0], 8)
    training, images = np.random.default_rng(0).integers(0, 200, (2, 100, 8, 8, 1), np.uint8)
    images[[7, 30]] = training[[12, 90]]
    images[7, 0, 0] += 2
    images[30, 0, 0] += 1
    own, partner, distance = nearest_pairs(images, training, first_row, 2)
    assert (own.tolist(), partner.tolist()) == ([30, 7], [90, 12])
    np.testing.assert_allclose(distance, [1 / 127.5, 2 / 127.5], rtol=1e-4)


def test_a_memorising_generator_is_detected_despite_a_good_distance(patches):
    training, held_out, honest = textures(400, 1), textures(300, 2), textures(300, 3)
    copied = damage(training[:300], "noise", 1)
    memorised = evaluate(held_out, copied, patches, training=training, repeats=10)
    assert memorised["frechet_distance"]["interpretation"] in {
        AS_CLOSE,
        "not distinguishable at this n",
    }
    assert memorised["copies"]["value"] > 0.95 and memorised["copies"]["real_vs_real"] < 0.05
    assert memorised["copies"]["interpretation"] == "memorised"
    fresh = evaluate(held_out, honest, patches, training=training, repeats=10)
    assert fresh["copies"]["interpretation"] != "memorised" and fresh["copies"]["value"] < 0.05
    assert "copies" not in evaluate(held_out, honest, patches, repeats=2)
    with pytest.raises(ValueError, match="at one size"):
        evaluate(held_out, honest, patches, training=textures(20, size=24))


def test_each_kind_of_damage_is_as_documented():
    images = textures(40)
    pixels = images.astype(float)
    assert (damage(images, "flip", 1) == images[:, :, ::-1]).all()
    changed = (damage(images, "flip", 0.25) != images).any((1, 2, 3))
    assert changed.sum() == 10
    difference = damage(images, "noise", 8) - pixels
    inside = (pixels > 40) & (pixels < 215)
    assert difference[inside].std() == pytest.approx(8, rel=0.05)
    np.testing.assert_allclose(damage(images, "contrast", 0.5).std((1, 2)), 0.5 * pixels.std((1, 2)), rtol=0.02)
    blurred = ndimage.gaussian_filter(pixels[0, ..., 0], 1.0)
    np.testing.assert_allclose(damage(images, "blur", 1)[0, ..., 0], blurred, atol=0.51)
    with pytest.raises(ValueError, match="choose blur, noise, contrast, flip"):
        damage(images, "fog", 1)


def test_metrics_are_sensitive_to_the_damage_they_should_see(patches):
    strengths = {"blur": (1, 2), "noise": (10, 25), "contrast": (0.3, 0.6), "flip": (0.5, 1)}
    table = sensitivity(textures(240), patches, strengths=strengths, repeats=6)
    assert set(table.groupby("kind")["strength"].unique().map(tuple)) == {(0, *levels) for levels in strengths.values()}
    table = table.set_index(["kind", "metric", "strength"]).sort_index()
    readings, values = table["interpretation"], table["value"]
    for kind, levels in strengths.items():
        for metric in ("frechet_distance", "kernel_distance"):
            assert (np.diff(values[kind, metric]) > 0).all(), (kind, metric)
            assert readings[kind, metric, 0] != WORSE
            assert readings[kind, metric, levels[-1]] == WORSE
    for kind in ("blur", "noise", "contrast"):
        assert readings[kind, "power_spectrum_distance", strengths[kind][0]] == WORSE
    assert readings["contrast", "intensity_distance", 0.6] == WORSE
    for metric in ("power_spectrum_distance", "intensity_distance"):  # a mirror changes neither
        assert readings["flip", metric, 1] == readings["flip", metric, 0] != WORSE
    assert values["flip", "coverage", 1] < 0.2 < values["flip", "coverage", 0]
    assert values["noise", "ms_ssim", 25] < values["noise", "ms_ssim", 0] - 0.01  # less alike: noise is diversity to it
