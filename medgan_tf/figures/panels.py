"""Panels that several figures share: values with intervals class by class, and two metrics against each other."""

import numpy as np

from . import style

RECORD = ["value", "low", "high", "real_vs_real", "real_vs_real_low", "real_vs_real_high"]


@style.in_style
def by_class(panels):
    """One panel for each measure, one row for each class, and in it the models side by side with 95% intervals.

    panels: {title: DataFrame with model, class, value, low and high}. Optional columns: real_vs_real_low and
    real_vs_real_high, drawn as a grey band in each row; chance, the same for all classes, drawn as a dotted line;
    metric, so that the axis of a distance may become logarithmic.
    """
    tables = list(panels.values())
    classes = list(dict.fromkeys(name for table in tables for name in table["class"]))
    models = list(dict.fromkeys(name for table in tables for name in table["model"]))
    figure, axes = style.subplots(0.8 + (0.18 + 0.14 * len(models)) * len(classes), 1, len(panels), sharey=True)
    for axis, (title, table) in zip(axes[0], panels.items(), strict=True):
        for place, name in enumerate(classes):
            rows = table[table["class"] == name]
            if "real_vs_real_low" in rows:
                for row in rows.drop_duplicates("class").itertuples():
                    width = row.real_vs_real_high - row.real_vs_real_low
                    axis.broken_barh([(row.real_vs_real_low, width)], (place - 0.4, 0.8), **style.BAND)
            for row in rows.to_dict("records"):
                number = models.index(row["model"])
                offset = (number - (len(models) - 1) / 2) * 0.7 / len(models)
                look = {"fmt": style.MARKERS[number % 7], "color": style.COLOURS[number % 7]}
                style.value_in_row(axis, row, place + offset, label=row["model"] if place == 0 else None, **look)
        if "chance" in table:
            axis.axvline(table["chance"].iloc[0], color="0.4", lw=1, ls=":")
        axis.set_title(title)
        style.named_rows(axis, [name.replace("_", " ") for name in classes])
        axis.locator_params(axis="x", nbins=5 if len(panels) < 3 else 3)
        if "metric" in table:
            shorten(axis, table)
    style.legend_below(figure, axes[0, :1])
    return figure


def shorten(axis, rows):
    """Make the x axis of a distance logarithmic beyond real against real, where a model is far beyond it."""
    reach = rows["real_vs_real_high"].min()
    if rows["metric"].iloc[0].endswith("_distance") and rows["high"].max() > 20 * reach > 0:
        style.symmetric_log(axis.xaxis, reach)


def join_metrics(x, y):
    """Join two metrics, one row per model: x and y are tables with the column model and some of `RECORD`."""
    x, y = (table.set_index("model").filter(RECORD).add_prefix(f"{side}_") for side, table in (("x", x), ("y", y)))
    return x.join(y, how="inner").reset_index()


@style.in_style
def scatter_with_intervals(panels, log_x=False, linear_to=None):
    """One panel for each pair of metrics, with each model's two values and their 95% intervals.

    panels: {(x label, y label): DataFrame of `join_metrics`}. Grey bands are real against real, where it is known. A
    measure without interval, such as a cost, has a point only. linear_to: y is linear up to this value and logarithmic
    beyond, for distances that may be negative and differ by orders of magnitude.
    """
    models = list(dict.fromkeys(model for table in panels.values() for model in table["model"]))
    figure, axes = style.subplots(2.9 if len(panels) < 3 else 2.5, 1, len(panels))
    for axis, ((x_label, y_label), table) in zip(axes[0], panels.items(), strict=True):
        for side, span in (("x", axis.axvspan), ("y", axis.axhspan)):
            if f"{side}_real_vs_real_low" in table and len(table):
                span(table[f"{side}_real_vs_real_low"].min(), table[f"{side}_real_vs_real_high"].max(), **style.BAND)
        for row in table.to_dict("records"):
            look = {"ms": 5, "capsize": 2, "ls": "", "lw": 1, **style.marker(models.index(row["model"]))}
            errors = {f"{side}err": _errors(row, side) for side in "xy"}
            axis.errorbar(row["x_value"], row["y_value"], **errors, **look, label=row["model"])
        if linear_to is not None and table["y_value"].max() > 20 * linear_to > 0:
            style.symmetric_log(axis.yaxis, linear_to)
        if log_x:
            values = table["x_value"][table["x_value"] > 0]
            axis.set_xscale("log", nonpositive="clip")
            axis.set_xlim(values.min() / 2, 1.5 * table.filter(["x_value", "x_high"]).max().max())  # low may be 0
            style.plain_ticks(axis.xaxis)
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
    style.legend_below(figure, axes[0])
    return figure


def _errors(row, side):
    ends = [row.get(f"{side}_{end}", np.nan) for end in ("value", "low", "high")]
    return None if np.isnan(ends[1]) else style.error_bars(*ends)
