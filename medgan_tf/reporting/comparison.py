"""Models of one or several runs side by side: metrics over seeds, which differences are noise, and costs."""

import re

import numpy as np
import pandas as pd

from medgan_tf import results
from medgan_tf.intervals import difference_interval, seed_interval

COSTS = ["kimg", "seconds", "parameters", "peak_memory_mib"]
SAME = ["data", "patients", "image_size", "extractor", "weights_sha256", "n"]  # equal in numbers that can be compared


def models(runs):
    """Join the metrics and the training costs of every model of several runs; a DataFrame.

    runs: config.Run. Columns: run, model, seed, data, those of `results.quality`, kimg, seconds, parameters (of both
    networks) and peak_memory_mib, NaN where a training did not record it. Raises ValueError for a run without measured
    models.
    """
    tables = []
    for run in runs:
        table = results.quality(run.directory)
        if table.empty:
            raise ValueError(f"{run.directory} holds no measured model: run notebook 06 on it first.")
        costs = pd.DataFrame([_cost(run, name) for name in table["model"]])
        names = [re.sub(r"_seed\d+$", "", name) for name in table["model"]]
        data = " and ".join(folder.name for folder in run.data) or "phantoms"
        tables.append(table.assign(run=run.name, data=data, model=names).join(costs))
    return pd.concat(tables, ignore_index=True)


def _cost(run, name):
    record = results.section(run, f"training/{name}")
    parameters = sum(record["parameters"].values()) if record else np.nan
    costs = {cost: record.get(cost, np.nan) for cost in COSTS} | {"parameters": parameters}
    return costs | {"seed": record.get("settings", {}).get("seed", 0)}


def summarise(table):
    """Summarise `models` over seeds: a DataFrame with one row for each run, model and metric.

    value, low and high are over the `seeds` (`seed_interval`); real_vs_real and costs are means. among_best is True for
    the best model and for those that the metric cannot tell from it: the 95% interval of the difference contains 0.
    Only models measured on the same data with the same features and n are compared. A model without a value is never
    among the best.
    """
    keys = [*SAME, "run", "model", "metric"]
    rows = []
    for key, seeds in table.groupby(keys, sort=False, dropna=False):
        row = dict(zip(keys, key, strict=True))
        row |= dict(zip(("value", "low", "high"), seed_interval(seeds), strict=True))
        means = seeds[["real_vs_real", "real_vs_real_low", "real_vs_real_high", *COSTS]].mean()
        rows.append(row | means.to_dict() | {"better": seeds["better"].iloc[0], "seeds": len(seeds)})
    found = pd.DataFrame(rows)
    found["among_best"] = False
    for _, comparable in found.groupby([*SAME, "metric"], sort=False, dropna=False):
        badness = _badness(comparable)
        if badness.isna().all():
            continue
        best = comparable.loc[badness.idxmin()]
        differences = [difference_interval(row, best) for _, row in comparable.iterrows()]
        found.loc[comparable.index, "among_best"] = [bool(low <= 0 <= high) for _, low, high in differences]
    return found


def _badness(rows):
    """The metric turned so that smaller is better."""
    off = (rows["value"] - rows["real_vs_real"]).abs()
    return rows["value"].where(rows["better"] == "lower", off.where(rows["better"] != "higher", -rows["value"]))
