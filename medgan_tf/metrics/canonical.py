"""Statistics whose truth is known because the images imitate phantoms: rules of anatomy, lesions, prevalences.

After Kelkar et al. 2023 (arXiv 2204.12007) and Deshpande et al. 2021 (arXiv 2111.12577): generators that match the
statistics of a whole set may still break rules within single images and mix the classes in other proportions. A
`phantoms.PhantomSegmenter` finds what an image shows. Its findings in synthetic images are compared with those in
phantoms, so that its errors are on both sides.
"""

import numpy as np
import pandas as pd
from scipy import stats

from medgan_tf.intervals import proportion
from medgan_tf.phantoms import findings, rules_kept

SEVERAL, NO_CHEST = "several findings", "no two lungs"
SHOWN = ["normal", "nodule", "pneumonia", "effusion", SEVERAL, NO_CHEST]
DRAWS = 9999  # simulated tables


def canonical(read, reference, seed=0):
    """Compare a set of images with phantoms: {part: {name: record}}.

    read, reference: what `PhantomSegmenter.describe` returns for both, DataFrames with one row per image, of
    independent images (`phantoms.independent_images`).

    "broken"      for each rule of `phantoms.rules_kept` and for "any rule", the proportion of images that break it:
                  value, low, high (95%, Wilson), k and n; real_vs_real, with its low and high, is that of the phantoms:
                  none of them breaks a rule, so it is the segmenter's error.
    "prevalence"  the same for images that show nothing, each finding, several findings, or no two lungs
    "lesions"     mean number of nodules and of patches of pneumonia in images that have any, and mean diameter of
                  nodules (fraction of the image's side), with 95% intervals, the same of the phantoms, and n
    "tests"       "prevalence": chi-square of the table of both sets' counts, with p from simulated tables with the same
                  sums, since some counts are small. The three of "lesions": the two-sample Kolmogorov-Smirnov statistic
                  with p, which is too large rather than too small for numbers of lesions, since these have ties. Each
                  has statistic, p, n and reference_n. One p in twenty is below 0.05 by chance.
    With fewer than two lesions, value, statistic and p are None.
    """
    sets = read, reference
    lesions = [_lesions(each) for each in sets]
    counts = pd.DataFrame([_shown(each).value_counts() for each in sets]).reindex(columns=SHOWN).fillna(0).astype(int)
    tests = {name: _ks(*(each[name] for each in lesions)) for name in lesions[0]}
    return {
        "broken": _with_real_vs_real(
            *({rule: proportion(hits) for rule, hits in _broken(each).items()} for each in sets)
        ),
        "prevalence": _with_real_vs_real(
            *({name: proportion(_shown(each) == name) for name in SHOWN} for each in sets)
        ),
        "lesions": _with_real_vs_real(*({name: _mean(values) for name, values in each.items()} for each in lesions)),
        "tests": {"prevalence": _chi_square(counts, seed)} | tests,
    }


def _broken(read):
    """{rule: bool array over the images it applies to}, and "any rule" over all images."""
    kept = rules_kept(read)
    broken = {rule: ~column.dropna().to_numpy(bool) for rule, column in kept.items()}
    return {"any rule": ~kept.fillna(True).to_numpy(bool).all(axis=1)} | broken


def _shown(read):
    """What each image shows: a Series of SHOWN."""
    found = findings(read)
    shown = pd.Series(found.idxmax(axis=1), read.index, object)
    shown[found.sum(axis=1) == 0] = "normal"
    shown[found.sum(axis=1) > 1] = SEVERAL
    shown[read["lungs"] != 2] = NO_CHEST
    return shown


def _lesions(read):
    """Numbers of lesions in images that have any, and diameters of nodules."""
    found, chest = findings(read), read["lungs"] == 2
    sizes = [size for sizes in read["nodule_sizes"][chest] for size in sizes]
    return {
        "number of nodules": read["nodules"][found["nodule"]].to_numpy(),
        "number of patches": read["pneumonia"][found["pneumonia"]].to_numpy(),
        "diameter of nodules": np.array(sizes),
    }


def _mean(values):
    if len(values) < 2:
        return {"value": None, "low": None, "high": None, "n": len(values)}
    margin = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return {"value": values.mean(), "low": values.mean() - margin, "high": values.mean() + margin, "n": len(values)}


def _with_real_vs_real(records, real_vs_real):
    ends = {"value": "real_vs_real", "low": "real_vs_real_low", "high": "real_vs_real_high"}
    return {
        name: record | {new: real_vs_real[name][old] for old, new in ends.items()} for name, record in records.items()
    }


def _chi_square(counts, seed):
    """counts: (2, K), one row per set."""
    numbers = counts.to_numpy()
    sizes = {"n": numbers[0].sum(), "reference_n": numbers[1].sum()}
    table = numbers[:, numbers.sum(0) > 0]
    if table.shape[1] < 2:  # all images of both sets show the same
        return {"statistic": 0.0, "p": 1.0} | sizes
    method = stats.MonteCarloMethod(n_resamples=DRAWS, rng=np.random.default_rng(seed))
    found = stats.chi2_contingency(table, correction=False, method=method)
    return {"statistic": found.statistic, "p": found.pvalue} | sizes


def _ks(values, reference):
    sizes = {"n": len(values), "reference_n": len(reference)}
    if min(sizes.values()) < 2:
        return {"statistic": None, "p": None} | sizes
    found = stats.ks_2samp(values, reference, method="asymp")
    return {"statistic": found.statistic, "p": found.pvalue} | sizes
