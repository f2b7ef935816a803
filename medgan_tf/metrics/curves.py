"""Mean power spectrum and autocorrelation of a set as curves with intervals, for figures."""

import numpy as np

from medgan_tf.datasets import read_images
from medgan_tf.intervals import draw_halves, repeat_interval

from .statistics import autocorrelation, autocovariances, power_spectra


def curves(images, repeats=20, seed=0):
    """Mean power spectrum and autocorrelation: {"power_spectrum", "autocorrelation"}, each a record of lists.

    images: an `ImageSet` or an array uint8 (N, H, W, C). A record has place (cycles per shorter side, or lags in
    pixels, from 1), value, low and high (95%), and n. Spectra are in dB as in `power_spectra`. Intervals come from
    half-splits by patient, as those of all metrics do.
    """
    image_set = read_images(images)
    images, patients = image_set.images, image_set.patients
    patients = np.arange(len(images)) if patients is None else patients
    halves = [draw.reference for draw in draw_halves(patients, len(images), repeats, seed)]
    spectra, covariances = power_spectra(images), autocovariances(images)
    found = {
        "power_spectrum": [spectra[half].mean(0, np.float64) for half in halves],
        "autocorrelation": [autocorrelation(covariances[half])[1:] for half in halves],
    }
    return {name: _record(np.stack(values), len(images)) for name, values in found.items()}


def _record(values, n):
    """values: (repeats, R)."""
    ends = np.array([repeat_interval(column) for column in values.T])
    record = {name: ends[:, place].tolist() for place, name in enumerate(("value", "low", "high"))}
    return {"place": list(range(1, values.shape[1] + 1))} | record | {"n": n}
