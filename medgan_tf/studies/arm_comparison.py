"""Compare arms: bootstrap by patient, spread over seeds, Holm's correction, and the interpretation in words."""

from dataclasses import asdict

import numpy as np
from scipy import stats

from medgan_tf.intervals import bootstrap_weights, holm

from .arms import classes_of_patients
from .classifier_measures import MEASURES

LEVEL = 0.05


def stratified_weights(patients, labels, count, seed=0):
    """float32 (1 + count, N): `intervals.bootstrap_weights` within each class, so that a rare class is never absent."""
    owner, classes = classes_of_patients(patients, labels)
    return bootstrap_weights(patients, count, seed, strata=classes[owner]).astype(np.float32)


def mean_over_seeds(values):
    """{value, low, high, p}: the mean over seeds with its 95% interval, and p of its being 0, two-sided.

    values (seeds, 1 + B): a measure, or its difference between two arms with the same seed, on the test set and on its
    resamples. The variance of the error has two parts: the variance of the mean over seeds between resamples (other
    patients), and the variance between seeds divided by their number (other initial weights, orders, subsets and
    synthetic images), with Satterthwaite's degrees of freedom. In simulations 95% intervals contain the truth 94 to 95%
    of the time with five seeds, 91 to 95% with three, 87 to 95% with two. With one seed the second part is unknown and
    not in the interval.
    """
    value, seeds = values[:, 0].mean(), len(values)
    between_patients = np.nanvar(values[:, 1:].mean(axis=0), ddof=1)
    between_seeds = values[:, 0].var(ddof=1) / seeds if seeds > 1 else 0.0
    error = np.sqrt(between_patients + between_seeds)
    freedom = error**4 / (between_seeds**2 / (seeds - 1)) if between_seeds > 0 else np.inf
    margin = stats.t.ppf(1 - LEVEL / 2, freedom) * error
    p = 2 * stats.t.sf(abs(value) / error, freedom) if error > 0 else float(value == 0)
    return {"value": float(value), "low": float(value - margin), "high": float(value + margin), "p": float(p)}


def compare_arms(measured, comparisons, names, rare):
    """One record for each comparison and measure, with p after Holm's correction over its family.

    measured: {arm: [{measure: (1 + B, C + 1)} for each seed]}. comparisons: list of arms.Comparison. names: the C
    classes and "mean". The family "rare class" uses the class with index `rare`, the others the mean over classes. Each
    measure is corrected separately, so the decisive one must be named beforehand.
    """
    records = []
    for family in dict.fromkeys(comparison.family for comparison in comparisons):
        column = rare if family == "rare class" else len(names) - 1
        members = [comparison for comparison in comparisons if comparison.family == family]
        for kind, better in MEASURES.items():
            if (kind, family) == ("calibration_error", "rare class"):
                continue  # defined for all classes together only
            found = []
            for each in members:
                seeds = zip(measured[each.arm], measured[each.reference], strict=True)
                differences = np.stack([a[kind][:, column] - b[kind][:, column] for a, b in seeds])
                found.append(asdict(each) | {"class": names[column], "measure": kind} | mean_over_seeds(differences))
            for record, p in zip(found, holm([record["p"] for record in found]), strict=True):
                record["p_holm"] = float(p)
                record["interpretation"] = interpret(record, better)
            records += found
    return records


def interpret(record, better):
    """ "better", "worse" or "no difference shown", by the corrected p of a record with value and p_holm."""
    if not record["p_holm"] < LEVEL:
        return "no difference shown"
    return "better" if (record["value"] > 0) == (better == "higher") else "worse"
