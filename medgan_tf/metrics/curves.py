"""Mean power spectrum and autocorrelation of a set as curves with intervals, for figures."""

import numpy as np

from medgan_tf.intervals import draw_halves, summary

from .statistics import autocorrelation, autocovariances, power_spectra


def curves(images, patients=None, repeats=20, seed=0):
    """{"power_spectrum", "autocorrelation"}: each a record of lists place, value, low and high (95%), and n.

    images: uint8 (N, H, W, 1), with patients (N,). place: cycles a shorter side, or lags in pixels, from 1. Spectra are
    in dB as in `power_spectra`. Intervals come from half-splits by patient, as those of all metrics do.
    """
    patients = np.arange(len(images)) if patients is None else np.asarray(patients)
    halves = [draw.reference for draw in draw_halves(patients, len(images), repeats, seed)]
    spectra, covariances = power_spectra(images), autocovariances(images)
    found = {
        "power_spectrum": [spectra[half].mean(0, np.float64) for half in halves],
        "autocorrelation": [autocorrelation(covariances[half])[1:] for half in halves],
    }
    return {name: _record(np.stack(values), len(images)) for name, values in found.items()}


def _record(values, n):
    """values: (repeats, R)."""
    ends = np.array([summary(column) for column in values.T])
    record = {name: ends[:, place].tolist() for place, name in enumerate(("value", "low", "high"))}
    return {"place": list(range(1, values.shape[1] + 1))} | record | {"n": n}
