"""Quality of models against held-out real images: tables, values with intervals, spectra, costs, sensitivity."""

import numpy as np
import pandas as pd

from medgan_tf import results

from .cells import (
    FEATURES,
    FURTHER,
    METRIC_NAMES,
    PIXELS,
    cell,
    cells,
    features_of,
    interval,
    measured_on,
    sentence,
    titled,
)
from .panels import by_class, join_metrics, scatter_with_intervals, shorten
from .saving import Figure, Table, of_results
from .style import (
    BAND,
    COLOURS,
    LINES,
    MARKERS,
    error_bars,
    legend_below,
    log_scale,
    named_rows,
    subplots,
    symmetric_log,
    value_in_row,
)

GROUPS = {  # of metrics: file name, beginning of the caption
    FEATURES: ("", ""),
    FURTHER: ("_further", "Further metrics. "),
    PIXELS: ("_pixels", "Distances between statistics of the pixels, without features. "),
}
COMPARED = ("kernel_distance", "frechet_distance", "recall", "coverage")
SENSITIVITY = ("kernel_distance", "frechet_distance", "precision", "recall", "coverage", "ms_ssim")
SENSITIVITY += ("power_spectrum_distance", "intensity_distance")
STRENGTHS = {
    "blur": "blur: standard deviation, pixels",
    "noise": "noise: standard deviation, grey levels",
    "contrast": "contrast: proportion removed",
    "flip": "flip: proportion of images",
}
GREY = "Grey: real against real."


def quality_cells(table, metrics=FEATURES):
    """`results.quality` as text, one row for real against real and one for each model, one column for each metric.

    metrics: names; those that were not measured have no column.
    """
    table = table[table["metric"].isin(metrics)]
    first = table.drop_duplicates("metric").set_index("metric")
    rows = {"real against real": first[["real_vs_real", "real_vs_real_low", "real_vs_real_high"]]}
    for model, records in table.groupby("model", sort=False):
        rows[model] = records.set_index("metric")[["value", "low", "high"]]
    text = {name: {metric: interval(*numbers) for metric, *numbers in row.itertuples()} for name, row in rows.items()}
    columns = [metric for metric in metrics if metric in first.index]
    named = {metric: titled(metric, first.loc[metric, "better"]) for metric in columns}
    return pd.DataFrame(text).T[columns].rename(columns=named)


def quality_table(run, kind="quality", metrics=FEATURES, name=None, about=""):
    """The metrics of every model in a run, as `quality_cells`; None where nothing was measured.

    kind: the sections of results.json, "quality" or for example "quality_squeezenet". metrics: FEATURES, FURTHER or
    PIXELS. name: of the files, by default after both. about: a sentence that begins the caption.
    """
    table = results.quality(run, kind)
    if table.empty:
        return None
    suffix, beginning = GROUPS[metrics]
    caption = f"{about}{beginning}Quality of generated images: {measured_on(table)}."
    return Table(quality_cells(table, metrics), name or kind + suffix, caption)


@of_results(results.quality)
def quality(run, table):
    """One panel for each metric: each model's value with its interval, over the grey band of real against real.

    None where nothing was measured, as of all functions here that take a run.
    """
    metrics = [metric for metric in (*FEATURES, "ms_ssim", "power_spectrum_distance") if metric in set(table["metric"])]
    models = list(dict.fromkeys(table["model"]))
    rows = -(-len(metrics) // 2)
    figure, axes = subplots(1.6 * rows, rows, 2)
    for axis in axes.ravel()[len(metrics) :]:
        axis.remove()
    for axis, metric in zip(axes.ravel(), metrics, strict=False):
        own = table[table["metric"] == metric].set_index("model").loc[models]
        axis.axvspan(own["real_vs_real_low"].min(), own["real_vs_real_high"].max(), **BAND)
        axis.axvline(own["real_vs_real"].iloc[0], color="0.4", lw=1, ls=":")
        for place, row in enumerate(own.to_dict("records")):
            value_in_row(axis, row, place, color=COLOURS[place % 7], ms=6, capsize=3)
        named_rows(axis, models)
        axis.set_title(f"{titled(metric, own['better'].iloc[0])}  (n = {own['n'].iloc[0]})")
        shorten(axis, own)
    return Figure(figure, "quality", f"Quality of generated images: {measured_on(table)}. {GREY}", table)


@of_results(results.quality)
def precision_recall(run, table):
    """Fidelity against diversity: precision over recall, density over coverage."""
    panels = {}
    for pair in (("recall", "precision"), ("coverage", "density")):
        rows = [table[table["metric"] == metric] for metric in pair]
        labels = tuple(titled(metric, own["better"].iloc[0]) for metric, own in zip(pair, rows, strict=True))
        panels[labels] = join_metrics(*rows)
    caption = f"Fidelity against diversity: {measured_on(table)}. {GREY}"
    return Figure(scatter_with_intervals(panels), "precision_recall", caption, table)


@of_results(results.class_quality)
def class_quality(run, table):
    """Distances and diversity class by class; None where no class has enough images."""
    panels = {
        titled(metric, own["better"].iloc[0]): own
        for metric in ("frechet_distance", "kernel_distance", "ms_ssim")
        if len(own := table[table["metric"] == metric])
    }
    counts = table.drop_duplicates("class").set_index("class")["n"]
    few = {
        label: records["too_few"]
        for section in results.sections(run, "classes").values()
        for label, records in section.items()
        if "too_few" in records
    }
    caption = (
        "Fréchet and kernel distance and diversity class by class, 95% intervals over half-splits of held-out patients;"
        f" images a side: {_counts(counts)}; {features_of(table.iloc[0])}, MS-SSIM of the pixels. {GREY}"
    )
    caption += f" Not measured, with too few images: {_counts(few)}." if few else ""
    return Figure(by_class(panels), "quality_by_class", caption, table)


def _counts(numbers):
    return ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in numbers.items())


@of_results(results.curves)
def spectra(run, sets):
    """Mean power spectrum and autocorrelation of real images (black) and of every model, with 95% intervals."""
    panels = {
        "power_spectrum": ("cycles an image", "power, dB of squared grey levels"),
        "autocorrelation": ("lag, pixels", "autocorrelation"),
    }
    parts = [{"set": name, "measure": part} | records[part] for name, records in sets.items() for part in panels]
    data = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    figure, axes = subplots(2.9, 1, len(panels))
    for axis, (part, (x, y)) in zip(axes[0], panels.items(), strict=True):
        own = data[data["measure"] == part]
        for number, (name, record) in enumerate(own.groupby("set", sort=False)):
            colour, line = ("black", "-") if number == 0 else (COLOURS[(number - 1) % 6], LINES[number % 4])
            axis.plot(record["place"], record["value"], label=name, color=colour, ls=line, lw=1.2)
            shade = {"color": "0.6" if number == 0 else colour, "alpha": 0.3, "lw": 0}
            axis.fill_between(record["place"], record["low"], record["high"], **shade)
        axis.set_xlabel(x)
        axis.set_ylabel(y)
    log_scale(axes[0, 0].xaxis)
    legend_below(figure, axes[0, :1])
    n = ", ".join(f"{name} {records['power_spectrum']['n']}" for name, records in sets.items())
    caption = (
        "Mean power spectrum and autocorrelation with 95% intervals from half-splits (by patient where images are"
        f" real). Images: {n}."
    )
    return Figure(figure, "spectra", caption, data)


@of_results(results.sensitivity)
def sensitivity(run, table):
    """The response of each metric (rows) to each kind of damage to real images (columns), over its strength."""
    kinds = list(dict.fromkeys(table["kind"]))
    metrics = [metric for metric in SENSITIVITY if metric in set(table["metric"])]
    figure, axes = subplots(0.95 * len(metrics) + 0.5, len(metrics), len(kinds), sharex="col", sharey="row")
    for row, metric in zip(axes, metrics, strict=True):
        for number, (axis, kind) in enumerate(zip(row, kinds, strict=True)):
            found = table[(table["metric"] == metric) & (table["kind"] == kind)]
            axis.axhspan(found["real_vs_real_low"].min(), found["real_vs_real_high"].max(), **BAND)
            errors = error_bars(found["value"], found["low"], found["high"])
            look = {"color": COLOURS[number], "marker": MARKERS[number], "ms": 3, "capsize": 2, "lw": 1}
            axis.errorbar(found["strength"], found["value"], errors, **look)
            axis.tick_params(labelsize=7)
        real_vs_real, most = table.loc[table["metric"] == metric, ["real_vs_real_high", "high"]].max()
        if metric.endswith("distance") and most > 5 * real_vs_real > 0:  # the least damage would lie on the axis
            symmetric_log(row[0].yaxis, real_vs_real)
        else:
            row[0].locator_params(axis="y", nbins=3)
        row[0].set_ylabel(METRIC_NAMES[metric].replace(" ", "\n", 1), fontsize=7)
    for axis, kind in zip(axes[-1], kinds, strict=True):
        axis.set_xlabel(STRENGTHS.get(kind, kind), fontsize=7)
    caption = f"Real images, damaged on purpose, against undamaged ones of other patients: {measured_on(table)}. {GREY}"
    return Figure(figure, "sensitivity", caption.replace("held-out patients", "patients"), table)


def comparison_table(summary, metrics=COMPARED):
    """Models with their costs and metrics; a star marks the best value and those that cannot be told from it.

    summary: `comparison.summarise` of one run or several, or `results.comparison`. Numbers can be compared on the same
    data with the same features and n; where several runs are shown, each row names its run and data.
    """
    several = summary["run"].nunique() > 1
    full_names = summary["model"] + " (" + summary["run"] + ", " + summary["data"] + ")"
    summary = summary.assign(row=full_names if several else summary["model"])
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
        table[titled(metric, own["better"].iloc[0])] = pd.Series(column)
    caption = (
        "All models with their costs (kimg: thousands of real images that the training saw). A star marks the best"
        " value of a column and those that cannot be told from it: the 95% interval of the difference contains 0."
        " Values can be compared on the same data with the same features and n."
        f" {sentence(features_of(summary.iloc[0]))}, n = {summary['n'].iloc[0]} images a side in the first row."
    )
    return Table(table.fillna("–").rename_axis(index=None), "comparison", caption)


def _numbers(values):
    return ["–" if np.isnan(value) else f"{value:.3g}" for value in values]


def _starred(row):
    value, space, ends = cell(row).partition(" ")
    return f"{value}{'*' if row['among_best'] else ''}{space}{ends}"


def quality_cost(summary, metric="kernel_distance"):
    """A metric over its costs: minutes, parameters and peak memory, of the models of which each was recorded.

    summary: as for `comparison_table`, of models that can be compared with each other. Times compare only where each
    training had the machine to itself. Raises ValueError where no cost of any model is known.
    """
    rows = summary[summary["metric"] == metric]
    scales = {
        "minutes of training": rows["seconds"] / 60,
        "parameters, millions": rows["parameters"] / 1e6,
        "peak memory, GiB": rows["peak_memory_mib"] / 1024,
    }
    y = titled(metric, rows["better"].iloc[0])
    panels = {
        (x, y): join_metrics(rows.assign(value=cost).dropna(subset="value")[["model", "value"]], rows)
        for x, cost in scales.items()
        if cost.notna().any()
    }
    if not panels:
        raise ValueError("results.json has no training of these models: run their notebooks before 06.")
    first = rows.iloc[0]
    caption = (
        f"{sentence(METRIC_NAMES[metric])} over the costs of the training, 95% intervals. n = {first['n']} images a"
        f" side, {features_of(first)}. {GREY}"
    )
    plot = scatter_with_intervals(panels, log_x=True, linear_to=rows["real_vs_real_high"].max())
    return Figure(plot, "quality_cost", caption, summary)


@of_results(results.equivariance)
def equivariance_table(run, table):
    """EQ-T, EQ-T_frac and EQ-R in dB, one row for each generator; None where nothing was measured."""
    wide = table.assign(cell=cells(table)).pivot(index="model", columns="metric", values="cell")
    wide = wide.loc[sorted(wide.index)].reindex(columns=["EQ-T", "EQ-T_frac", "EQ-R"]).fillna("–")
    wide = wide.rename(columns={"EQ-T_frac": "EQ-T, fractions of pixels"}).rename_axis(index=None, columns=None)
    caption = (
        f"Equivariance in dB with 95% intervals over {table['n'].iloc[0]} moves of four images each, before training"
        " and with the generators that training kept."
    )
    return Table(wide, "equivariance", caption)


@of_results(lambda run: pd.DataFrame(results.read(run).get("claims", [])))
def claims_table(run, table):
    """Figures claimed elsewhere beside what this run measured of the same kind of model, and why they differ."""
    text = table[["source", "model"]].assign(
        **{
            "claimed": [f"{row.metric} {row.claimed:g}" for row in table.itertuples()],
            "measured here": [_measured(row) for row in table.to_dict("records")],
            "not comparable because": ["; ".join(reasons) for reasons in table["reasons"]],
            "known of the claim": table["note"].fillna("–"),
        }
    )
    caption = "Figures claimed elsewhere, and what this run measured of the same kind of model, with why they differ."
    columns = "p{1.6cm}p{1.6cm}p{1.6cm}p{3cm}p{4cm}p{3cm}"
    return Table(text.set_index("source").rename_axis(index=None), "claims", caption, columns)


def _measured(row):
    if pd.isna(row["value"]):
        return "–"
    real_vs_real = f", real against real {row['real_vs_real']:.3g}" if pd.notna(row["real_vs_real"]) else ""
    n = f", n = {row['n']:.0f}" if pd.notna(row["n"]) else ""
    return f"{row['kind']}: {row['what']} {cell(row)}{real_vs_real}{n}"
