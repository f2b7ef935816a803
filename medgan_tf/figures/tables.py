"""Tables of numbers from results.json, for notebooks and as LaTeX."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf.intervals import over_seeds

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
    "autocorrelation_distance": "autocorrelation",
    "intensity_distance": "intensities, grey levels",
    "copies": "copies",
    "label_agreement": "label agreement",
}
FEATURES = ("kernel_distance", "frechet_distance", "precision", "recall", "density", "coverage")
FURTHER = ("frechet_distance_infinity", "inception_score", "ms_ssim", "copies")
PIXELS = ("power_spectrum_distance", "autocorrelation_distance", "intensity_distance")
CELL = re.compile(r"^(\S+) (\[.*\])$")
STACKED = r"\\shortstack{\1\\\\{}\2}"
LATEX = {
    "%": r"\%",
    "_": r"\_",
    "&": r"\&",
    "#": r"\#",
    "<": "$<$",
    "–": "--",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "→": r"$\rightarrow$",
    "é": r"\'e",
    "χ²": r"$\chi^2$",
}
ARROWS = {"lower": "↓", "higher": "↑", "closer to real": "→"}


def quality_table(table, metrics=FEATURES):
    """A row for real against real and one for each model, a column a metric, "value [low, high]"; a DataFrame.

    table: `results.quality` of one run. metrics: FEATURES, FURTHER or names of your own; absent ones have no column.
    """
    table = table[table["metric"].isin(metrics)]
    real_vs_real = table.drop_duplicates("metric").set_index("metric")
    rows = {"real against real": real_vs_real[["real_vs_real", "real_vs_real_low", "real_vs_real_high"]]}
    for model, records in table.groupby("model", sort=False):
        rows[model] = records.set_index("metric")[["value", "low", "high"]]
    cells = {name: {metric: interval(*numbers) for metric, *numbers in row.itertuples()} for name, row in rows.items()}
    columns = [metric for metric in metrics if metric in real_vs_real.index]
    named = {metric: f"{METRIC_NAMES[metric]} {ARROWS[real_vs_real.loc[metric, 'better']]}" for metric in columns}
    return pd.DataFrame(cells).T[columns].rename(columns=named)


RULES = {
    "any rule": "any rule",
    "two_lungs": "two lungs",
    "heart_left": "heart left",
    "one_finding": "one finding",
    "lesion_number": "number of lesions",
    "lesions_inside": "lesions inside",
    "lesion_size": "size of lesions",
}


def canonical_table(parts):
    """A row for fresh phantoms and each model: distance, shares of images that break rules, and tests with their p.

    parts: {part: `results.canonical` of it} with "metrics", "broken" and "tests". Shares are in per cent.
    """
    broken = parts["broken"][parts["broken"]["name"].isin(RULES)]
    cells = {
        f"{METRIC_NAMES['frechet_distance']} ↓": _cells(parts["metrics"].query("name == 'frechet_distance'")),
        **{f"% break: {RULES[rule]}": _cells(rows, 100) for rule, rows in broken.groupby("name", sort=False)},
        **{
            f"{'χ²' if name == 'prevalence' else 'KS'}, {name}": {
                row.model: f"{row.statistic:.3g} ({_p(row.p)})" for row in rows.itertuples()
            }
            for name, rows in parts["tests"].groupby("name", sort=False)
        },
    }
    return pd.DataFrame(cells).loc[list(dict.fromkeys(parts["broken"]["model"]))].fillna("–").T


def _cells(rows, factor=1):
    return {row.model: interval(*(factor * end for end in (row.value, row.low, row.high))) for row in rows.itertuples()}


def _p(p):
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


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
    return pd.DataFrame(
        {f"{METRIC_NAMES[metric]} {ARROWS[better[metric]]}": column for metric, column in cells.items()}
    )


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


def recipe_table(trials):
    """What each change of `results.recipes` did: a row a model and change, kernel distance and recall; a DataFrame.

    Means over the last quarter of the images, `kimg` thousand, that all trials of the model have seen. `against the
    recipe`: whether the distances there lie all below the recipe's own, all above, or among them, which one seed
    cannot tell apart.
    """
    rows = {}
    for model, of_model in trials.groupby("model", sort=False):
        seen = of_model.groupby("change")["kimg"].max().min()
        last = of_model[of_model["kimg"].between(0.75 * seen, seen)]
        own = last.loc[last["change"] == "none", "kernel_distance"]
        for change, points in last.groupby("change", sort=False):
            distances = points["kernel_distance"]
            better, worse = distances.max() < own.min(), distances.min() > own.max()
            verdict = "better" if better else "worse" if worse else "not to be told apart"
            rows[model, change] = {
                "kimg": seen,
                "kernel distance": distances.mean(),
                "recall": points["recall"].mean(),
                "against the recipe": "the recipe itself" if change == "none" else verdict,
            }
    return pd.DataFrame.from_dict(rows, orient="index")


COMPARED = ("kernel_distance", "frechet_distance", "recall", "coverage")


def comparison_table(summary, metrics=COMPARED):
    """A row a model, with its costs and the metrics; a star where nothing sets a value apart from the best one.

    kimg are thousands of real images that the training saw.

    summary: `comparison.summarise` of one run or several. Numbers are comparable within the same data, features and n;
    where these differ the row's name says the run and the data.
    """
    summary = summary.assign(row=_row_names(summary))
    rows = list(dict.fromkeys(summary["row"]))
    costs = summary.drop_duplicates("row").set_index("row").loc[rows]
    table = pd.DataFrame(
        {
            "seeds": costs["seeds"].astype(str),
            "kimg": _numbers(costs["kimg"]),
            "minutes": _numbers(costs["seconds"] / 60),
            "parameters, millions": _numbers(costs["parameters"] / 1e6),
            "memory, GiB": _numbers(costs["peak_memory_mib"] / 1024),
        }
    )
    for metric in (metric for metric in metrics if metric in set(summary["metric"])):
        own = summary[summary["metric"] == metric]
        column = {row["row"]: _starred(row) for row in own.to_dict("records")}
        table[f"{METRIC_NAMES[metric]} {ARROWS[own['better'].iloc[0]]}"] = pd.Series(column)
    return table.fillna("–").rename_axis(index=None)


def _row_names(summary):
    several = summary["run"].nunique() > 1
    return [
        f"{model} ({run}, {data})" if several else model
        for model, run, data in summary[["model", "run", "data"]].to_numpy()
    ]


def _numbers(values):
    return ["–" if np.isnan(value) else f"{value:.3g}" for value in values]


def _starred(row):
    value, space, ends = interval(row["value"], row["low"], row["high"]).partition(" ")
    return f"{value}{'*' if row['among_best'] else ''}{space}{ends}"


def claims_table(table):
    """A row a claim: what was claimed, what this run measured of the same kind of model, and why it is no comparison.

    table: `claims.beside` of one run.
    """
    return (
        pd.DataFrame(
            {
                "source": table["source"],
                "model": table["model"],
                "claimed": [f"{row.metric} {row.claimed:g}" for row in table.itertuples()],
                "measured here": [_measured(row) for row in table.to_dict("records")],
                "not comparable because": ["; ".join(reasons) for reasons in table["reasons"]],
                "known of the claim": table["note"].fillna("–"),
            }
        )
        .set_index("source")
        .rename_axis(index=None)
    )


def _measured(row):
    if pd.isna(row["value"]):
        return "–"
    value = interval(row["value"], row["low"], row["high"])
    real_vs_real = f", real against real {row['real_vs_real']:.3g}" if pd.notna(row["real_vs_real"]) else ""
    n = f", n = {row['n']:.0f}" if pd.notna(row["n"]) else ""
    return f"{row['kind']}: {row['what']} {value}{real_vs_real}{n}"


def save_table(table, run_dir, name, caption, columns=None):
    """Write tables/NAME.tex (booktabs) and NAME.csv; return the table.

    In LaTeX an interval stands below its value and long heads on two lines, so that ten columns fit a page.
    columns: LaTeX's column format, by default one line a cell; such as "lp{5cm}" for long text.
    """
    folder = Path(run_dir) / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv")
    escaped = table.map(_latex).rename(index=_latex, columns=_stacked)
    text = escaped.map(lambda cell: CELL.sub(STACKED, cell)).to_latex(
        caption=_latex(caption),
        label=f"tab:{name}",
        position="htbp",
        column_format=columns or "l" + "c" * table.shape[1],
    )
    gap = 3 if table.shape[1] < 7 else 1.5
    text = text.replace("[htbp]", f"[htbp]\n\\centering\\scriptsize\\setlength{{\\tabcolsep}}{{{gap}pt}}", 1)
    text = text.replace(" \\\\\n", " \\\\[3pt]\n")  # else an interval touches the value of the next row
    (folder / f"{name}.tex").write_text("% needs \\usepackage{booktabs}\n" + text)
    return table


def _latex(text):
    """Text whose every sign LaTeX prints as it is."""
    for sign, command in LATEX.items():
        text = str(text).replace(sign, command)
    return text


def cell(record):
    """A record {value, low, high} as `interval` writes it."""
    return interval(record["value"], record["low"], record["high"])


def _stacked(head):
    """A long head on two lines, broken at the space nearest to its middle."""
    spaces = [match.start() for match in re.finditer(" ", head)]
    if len(head) <= 12 or not spaces:
        return _latex(head)
    middle = min(spaces, key=lambda place: abs(place - len(head) / 2))
    return rf"\shortstack{{{_latex(head[:middle])}\\{{}}{_latex(head[middle + 1 :])}}}"


def interval(value, low, high):
    """A cell, three significant digits of the larger end and the same decimals throughout.

    Without ends (None or NaN) it is the value alone, without a value a dash: a metric need not have one, as the
    autocorrelation of a generator that makes one grey level has none.
    """
    if pd.isna(low):
        return "–" if pd.isna(value) else f"{value:.3g}"
    largest = max(abs(low), abs(high))
    decimals = int(np.clip(2 - np.floor(np.log10(largest)), 0, 6)) if largest else 2
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"
