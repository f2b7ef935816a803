"""Statistics of the pixels against closed forms."""

import numpy as np
import pytest
from scipy import ndimage

from medgan_tf.datasets import ImageSet
from medgan_tf.metrics import (
    autocorrelation,
    autocorrelation_distance,
    autocovariances,
    curves,
    intensity_distance,
    intensity_histograms,
    power_spectra,
    power_spectrum_distance,
)


def noise(count, sd, size=(64, 64), mean=128, seed=0):
    pixels = np.random.default_rng(seed).normal(mean, sd, (count, *size))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)[..., None]


def test_white_noise_has_a_flat_spectrum_of_its_variance():
    spectra = power_spectra(noise(400, 20))
    assert spectra.shape == (400, 32)
    power = (10 ** (spectra.astype(np.float64) / 10)).mean(0)
    np.testing.assert_allclose(power[2:], 400 + 1 / 12 + 1 / 12, rtol=0.05)  # the rounding, and its allowance


def test_spectra_that_differ_by_a_factor_are_its_decibels_apart():
    a, b = power_spectra(noise(300, 10)), power_spectra(noise(300, 20, seed=1))
    assert power_spectrum_distance(a, b) == pytest.approx(10 * np.log10(4), abs=0.15)
    assert power_spectrum_distance(a, a) == 0


def test_a_wave_peaks_at_its_frequency_for_any_brightness_and_shape():
    across = np.arange(96)
    wave = 100 * np.cos(2 * np.pi * across * 10 / 64)  # 10 cycles in the 64 pixels of the shorter side
    image = np.rint(np.tile(wave, (64, 1)) + 128).astype(np.uint8)[None, ..., None]
    spectrum = power_spectra(image)[0]
    assert len(spectrum) == 32 and spectrum.argmax() == 10 - 1
    assert np.delete(spectrum, [8, 9, 10]).max() < spectrum[9] - 30
    np.testing.assert_allclose(power_spectra(image // 2 + 60), power_spectra(image // 2), atol=1e-3)
    assert power_spectra(np.full((1, 32, 32, 1), 7, np.uint8)) == pytest.approx(10 * np.log10(1 / 12))


def test_intensity_distance_is_that_of_the_quantiles():
    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 100, (5, 16, 16, 1), np.uint8), generator.integers(50, 250, (5, 16, 16, 1), np.uint8)
    expected = np.abs(np.sort(a.ravel()).astype(int) - np.sort(b.ravel())).mean()
    assert intensity_distance(intensity_histograms(a), intensity_histograms(b)) == pytest.approx(expected)
    assert intensity_distance(intensity_histograms(a), intensity_histograms(a + 30)) == pytest.approx(30)
    assert intensity_histograms(a).sum() == a.size


def test_autocorrelation_of_smoothed_noise_is_a_gaussian():
    sigma = 2.0
    smooth = ndimage.gaussian_filter(
        np.random.default_rng(0).normal(size=(200, 128, 128)), (0, sigma, sigma), mode="wrap"
    )
    images = np.clip(np.rint(128 + 40 * smooth / smooth.std()), 0, 255).astype(np.uint8)[..., None]
    found = autocorrelation(autocovariances(images))
    assert found[0] == 1 and len(found) == 65
    lag = np.hypot(*np.mgrid[-8:9, -8:9])
    truth = np.exp(-(lag**2) / (4 * sigma**2))
    expected = [truth[np.rint(lag) == r].mean() for r in range(8)]
    np.testing.assert_allclose(found[:8], expected, atol=0.01)
    assert np.abs(found[12:]).max() < 0.02


def test_autocorrelation_is_the_sum_over_pixel_pairs():
    image = noise(1, 30, (5, 6), seed=3)
    centred = image[0, ..., 0] - image.mean()
    pairs = [centred[:, 1:] * centred[:, :-1], centred[1:] * centred[:-1]]
    diagonal = [centred[1:, 1:] * centred[:-1, :-1], centred[1:, :-1] * centred[:-1, 1:]]  # 1.41 rounds to 1
    expected = np.mean([part.mean() for part in pairs + diagonal]) / centred.var()
    assert autocorrelation(autocovariances(image))[1] == pytest.approx(expected, rel=1e-5)


def test_autocorrelation_distance_does_not_depend_on_contrast():
    fine, coarse = (np.random.default_rng(s).normal(size=(100, 64, 64)) for s in (0, 1))
    fine, coarse = (ndimage.gaussian_filter(x, (0, s, s)) for x, s in ((fine, 1.5), (coarse, 3)))

    def grey(x, deviation):
        return autocovariances(np.clip(np.rint(128 + deviation * x / x.std()), 0, 255).astype(np.uint8)[..., None])

    assert autocorrelation_distance(grey(fine, 20), grey(fine, 40)) < 0.003
    expected = np.sqrt(np.mean((autocorrelation(grey(fine, 40)) - autocorrelation(grey(coarse, 40)))[1:] ** 2))
    assert expected > 0.05 and autocorrelation_distance(grey(fine, 40), grey(coarse, 40)) == pytest.approx(expected)


def test_curves_are_right_and_wider_for_similar_images_of_a_patient():
    found = curves(noise(200, 20, (32, 32)), repeats=20)
    spectrum, correlation = found["power_spectrum"], found["autocorrelation"]
    assert spectrum["place"] == correlation["place"] == list(range(1, 17)) and spectrum["n"] == 200
    assert all(
        low <= value <= high for low, value, high in zip(*(spectrum[k] for k in ("low", "value", "high")), strict=True)
    )
    rings = slice(2, None)  # the window spreads what it takes off the lowest
    assert (
        max(spectrum["value"][rings]) - min(spectrum["value"][rings]) < 1
    )  # the mean of logarithms of few terms is lower
    assert max(map(abs, correlation["value"][1:])) < 0.02
    similar = ImageSet(np.repeat(noise(50, 20, (32, 32)), 4, axis=0), patients=np.repeat(np.arange(50), 4))
    blind, known = (curves(images, 20)["power_spectrum"] for images in (similar.pixels, similar))
    width = lambda record: np.mean(np.subtract(record["high"], record["low"]))  # noqa: E731
    assert width(known) > 1.5 * width(blind)


def test_statistics_raise_for_anything_but_8_bit_images():
    for function in (power_spectra, intensity_histograms, autocovariances):
        for wrong in (np.zeros((3, 8, 8, 1)), np.zeros((3, 8, 8), np.uint8), np.zeros((0, 8, 8, 1), np.uint8)):
            with pytest.raises(ValueError, match="uint8"):
                function(wrong)
    grey = autocovariances(np.full((2, 8, 8, 1), 9, np.uint8))
    assert np.isnan(autocorrelation(grey)).all() and np.isnan(autocorrelation_distance(grey, grey))
