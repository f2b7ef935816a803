"""Tables of numbers from results.json, for notebooks and as LaTeX."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

METRIC_NAMES = {
    "kernel_distance": "kernel distance",
    "frechet_distance": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "inception_score": "Inception score",
    "ms_ssim": "MS-SSIM",
    "frechet_distance_infinity": "Fréchet distance, infinite n",
    "power_spectrum_distance": "power spectrum, dB",
    "intensity_distance": "intensities, grey levels",
    "copies": "copies",
}
FEATURES = ("kernel_distance", "frechet_distance", "precision", "recall", "density", "coverage")
FURTHER = ("frechet_distance_infinity", "inception_score", "ms_ssim", "power_spectrum_distance", "intensity_distance")
FURTHER += ("copies",)
CELL = re.compile(r"^(\S+) (\[.*\])$")
STACKED = r"\\shortstack{\1\\\\{}\2}"
LATEX = {"–": "--", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "é": r"\'e"}
ARROWS = {"lower": "↓", "higher": "↑", "closer to floor": "→"}


def quality_table(table, metrics=FEATURES):
    """A row for real against real and one for each model, a column a metric, "value [low, high]"; a DataFrame.

    table: `results.quality` of one run. metrics: FEATURES, FURTHER or names of your own; absent ones have no column.
    """
    table = table[table["metric"].isin(metrics)]
    floors = table.drop_duplicates("metric").set_index("metric")
    rows = {"real against real": floors[["floor", "floor_low", "floor_high"]]}
    for model, records in table.groupby("model", sort=False):
        rows[model] = records.set_index("metric")[["value", "low", "high"]]
    cells = {name: {metric: interval(*numbers) for metric, *numbers in row.itertuples()} for name, row in rows.items()}
    columns = [metric for metric in metrics if metric in floors.index]
    named = {metric: f"{METRIC_NAMES[metric]} {ARROWS[floors.loc[metric, 'better']]}" for metric in columns}
    return pd.DataFrame(cells).T[columns].rename(columns=named)


def equivariance_table(table):
    """A row a generator, a column each of EQ-T, EQ-T_frac and EQ-R in dB. table: `results.equivariance` of one run."""
    cells = table.assign(cell=[interval(*row) for row in table[["value", "low", "high"]].to_numpy()])
    wide = cells.pivot(index="model", columns="metric", values="cell")
    wide = wide.loc[sorted(wide.index)].reindex(columns=["EQ-T", "EQ-T_frac", "EQ-R"]).fillna("–")
    return wide.rename(columns={"EQ-T_frac": "EQ-T, fractions of pixels"}).rename_axis(index=None, columns=None)


ABLATION = ("kernel_distance", "frechet_distance", "recall", "coverage", "label_agreement")


def ablation_table(table):
    """A row a step of the ablation, a column a measure. table: `results.ablation` of one run.

    With three seeds and more a cell is the mean over seeds with its 95% t interval, else the one seed's value with its
    interval over half-splits, which does not know how much another seed would differ.
    """
    cells = {metric: {} for metric in ABLATION if metric in set(table["metric"])}
    for (step, metric), rows in table.groupby(["step", "metric"], sort=False):
        if metric in cells:
            cells[metric][step] = interval(*over_seeds(rows))
    better = table.drop_duplicates("metric").set_index("metric")["better"]
    names = METRIC_NAMES | {"label_agreement": "label agreement"}
    return pd.DataFrame({f"{names[metric]} {ARROWS[better[metric]]}": column for metric, column in cells.items()})


def ablation_verdict(table, metric="kernel_distance"):
    """One sentence a step: whether it helped here, by whether the two 95% intervals are apart."""
    steps = {step: over_seeds(rows) for step, rows in table[table["metric"] == metric].groupby("step", sort=False)}
    sentences = []
    for (before, old), (step, new) in pairwise(steps.items()):
        found = f"{interval(*old)} to {interval(*new)}"
        if new[2] < old[1]:
            sentences.append(f"{step}: the {METRIC_NAMES[metric]} falls against {before}, from {found}.")
        elif new[1] > old[2]:
            sentences.append(f"{step}: the {METRIC_NAMES[metric]} rises against {before}, from {found}.")
        else:
            sentences.append(f"{step}: no difference from {before} can be shown; {found}, the intervals overlap.")
    return sentences


def over_seeds(rows):
    """(value, low, high) of rows of one measure, one a seed."""
    if len(rows) < 3:
        return tuple(rows[["value", "low", "high"]].mean())
    mean, error = rows["value"].mean(), stats.sem(rows["value"])
    return mean, *(mean + side * stats.t.ppf(0.975, len(rows) - 1) * error for side in (-1, 1))


def save_table(table, run_dir, name, caption):
    """Write tables/NAME.tex (booktabs) and NAME.csv; return the table.

    In LaTeX an interval stands below its value, so that eight columns fit the width of a page.
    """
    folder = Path(run_dir) / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv")
    text = table.map(lambda cell: CELL.sub(STACKED, cell)).to_latex(
        caption=caption, label=f"tab:{name}", position="htbp", column_format="l" + "c" * table.shape[1]
    )
    text = text.replace("[htbp]", "[htbp]\n\\centering\\scriptsize\\setlength{\\tabcolsep}{3pt}", 1)
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    (folder / f"{name}.tex").write_text("% needs \\usepackage{booktabs}\n" + text)
    return table


def interval(value, low, high):
    """The text "value [low, high]" with three significant digits of the larger end, the same decimals throughout."""
    largest = max(abs(low), abs(high))
    decimals = int(np.clip(2 - np.floor(np.log10(largest)), 0, 6)) if largest else 2
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
