"""Figures of measures along an axis: spectra over frequency, autocorrelation over lag, metrics over damage."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, MARKERS, STYLE, WIDTH, error_bars, plain_ticks, symmetric_log
from .tables import METRIC_NAMES

LINES = ("-", "--", "-.", ":")
SENSITIVITY = ("kernel_distance", "frechet_distance", "precision", "recall", "coverage", "ms_ssim")
SENSITIVITY += ("power_spectrum_distance", "intensity_distance")
STRENGTHS = {
    "blur": "blur: deviation, pixels",
    "noise": "noise: deviation, grey levels",
    "contrast": "contrast: share taken away",
    "flip": "flip: share of the images",
}


def curves_data(sets):
    """What `curves` draws: a row a set, measure ("power_spectrum", "autocorrelation") and place, with value, low, high
    and n.
    """
    return pd.concat(
        [
            pd.DataFrame({"set": name, "measure": part} | records[part])
            for name, records in sets.items()
            for part in ("power_spectrum", "autocorrelation")
        ],
        ignore_index=True,
    )


def curves(sets):
    """Mean power spectrum and autocorrelation of each set, with 95% intervals. sets: {name: `metrics.curves` of it}.

    The first set, the real images, is black, and its interval grey; those of the others are shades of their colour.
    """
    panels = {
        "power_spectrum": ("cycles an image", "power, dB of squared grey levels"),
        "autocorrelation": ("lag, pixels", "autocorrelation"),
    }
    table = curves_data(sets)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        axes = figure.subplots(1, len(panels))
        for axis, (part, (x, y)) in zip(axes, panels.items(), strict=True):
            own = table[table["measure"] == part]
            for number, (name, record) in enumerate(own.groupby("set", sort=False)):
                colour, line = ("black", "-") if number == 0 else (COLOURS[(number - 1) % 6], LINES[number % 4])
                axis.plot(record["place"], record["value"], label=name, color=colour, ls=line, lw=1.2)
                shade = {"color": "0.6" if number == 0 else colour, "alpha": 0.3, "lw": 0}
                axis.fill_between(record["place"], record["low"], record["high"], **shade)
            axis.set_xlabel(x)
            axis.set_ylabel(y)
        axes[0].set_xscale("log")
        plain_ticks(axes[0].xaxis)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(sets), 5), fontsize=8)
    return figure


def sensitivity(table):
    """What each metric sees of each damage: a row a metric, a column a kind, over the strength, with 95% intervals.

    table: `metrics.sensitivity`. The grey band is real against real; strength 0 is the undamaged half.
    """
    kinds = list(dict.fromkeys(table["kind"]))
    metrics = [metric for metric in SENSITIVITY if metric in set(table["metric"])]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.95 * len(metrics) + 0.5), layout="constrained")
        axes = figure.subplots(len(metrics), len(kinds), sharex="col", sharey="row", squeeze=False)
        for row, metric in zip(axes, metrics, strict=True):
            for number, (axis, kind) in enumerate(zip(row, kinds, strict=True)):
                found = table[(table["metric"] == metric) & (table["kind"] == kind)]
                axis.axhspan(found["real_vs_real_low"].min(), found["real_vs_real_high"].max(), color="0.85", lw=0)
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
    return figure


def recipes(trials):
    """Kernel distance over the images seen of every trial, a panel a model; the unchanged recipe is black.

    trials: `results.recipes`.
    """
    models = list(dict.fromkeys(trials["model"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.0 * len(models)), layout="constrained")
        for axis, model in zip(figure.subplots(len(models), squeeze=False)[:, 0], models, strict=True):
            own = trials[trials["model"] == model]
            for number, (change, trial) in enumerate(own.groupby("change", sort=False)):
                base = change == "none"
                look = {"color": "black", "lw": 2.2} if base else {"color": COLOURS[number % 6], "lw": 1.1}
                line = "-" if base else LINES[number % 4]
                axis.plot(trial["kimg"], trial["kernel_distance"], line, label="recipe" if base else change, **look)
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
            axis.set_xlabel("thousand images seen")
            axis.set_ylabel("kernel distance")
            axis.set_title(model, loc="left")
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return figure
