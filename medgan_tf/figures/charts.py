"""Figures made of numbers, which come from results.json and log.csv and are shown with their 95% interval."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, MARKERS, STYLE, WIDTH, error_bars, plain_ticks, symmetric_log
from .tables import ARROWS, FEATURES, METRIC_NAMES

OVER_TRAINING = ("kernel_distance", "frechet_distance", "recall", "coverage")


def logged(logs):
    """The logs of trainings as one table: model, then the columns of log.csv. logs: {model: path of log.csv}."""
    tables = {model: pd.read_csv(path) for model, path in logs.items()}
    return pd.concat(tables, names=["model", None]).reset_index("model").reset_index(drop=True)


def training_curves(logs):
    """Losses, scores and kernel distance over the images seen. logs: {model: path of log.csv}."""
    tables = {model: pd.read_csv(path) for model, path in logs.items()}
    panels = {"loss": ["discriminator_loss", "generator_loss"], "score": ["real_score", "fake_score"]}
    if any("kernel_distance" in table for table in tables.values()):
        panels["kernel distance"] = ["kernel_distance"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.9 * len(tables)), layout="constrained")
        axes = figure.subplots(len(tables), len(panels), squeeze=False)
        for row, (model, table) in zip(axes, tables.items(), strict=True):
            for axis, (title, columns) in zip(row, panels.items(), strict=True):
                for column in (column for column in columns if column in table):
                    axis.plot(table["kimg"], table[column], label=column.split("_")[0])
                axis.set_title(f"{model}: {title}" if axis is row[0] else title)
                axis.set_xlabel("thousand images seen")
                if len(columns) > 1:
                    axis.legend(fontsize=7)
            if "kernel_distance" in table and (table["kernel_distance"] > 0).all():
                row[-1].set_yscale("log")
                plain_ticks(row[-1].yaxis)
    return figure


def over_training_data(logs):
    """What `over_training` draws: a row a model, measure and state of the training, with kimg, minutes and value."""
    table = logged(logs)
    table["minutes"] = table.groupby("model", sort=False)["seconds"].cumsum() / 60
    measures = [measure for measure in OVER_TRAINING if measure in table]
    return table.melt(["model", "kimg", "minutes"], measures, "measure").dropna(subset="value")


def over_training(logs):
    """Distances, recall and coverage of the training images, over the images seen and over the time that it took.

    logs: {model: path of log.csv}; the columns are those of `callbacks.Watch`, of which an older log may lack some.
    Times compare where the trainings had the same machine to themselves.
    """
    table = over_training_data(logs)
    measures, models = list(dict.fromkeys(table["measure"])), list(logs)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.5 * len(measures) + 0.4), layout="constrained")
        axes = figure.subplots(len(measures), 2, sharey="row", sharex="col", squeeze=False)
        for row, measure in zip(axes, measures, strict=True):
            logged = table[table["measure"] == measure]
            for axis, column in zip(row, ("kimg", "minutes"), strict=True):
                for model, states in logged.groupby("model", sort=False):
                    number = models.index(model)
                    look = {"marker": MARKERS[number % 7], "ms": 3, "color": COLOURS[number % 7]}
                    axis.plot(states[column], states["value"], label=model, **look)
                if measure.endswith("distance") and (logged["value"] > 0).all():
                    axis.set_yscale("log")
                    plain_ticks(axis.yaxis)
            row[0].set_ylabel(METRIC_NAMES[measure])
        for axis, label in zip(axes[-1], ("thousand images seen", "minutes of training"), strict=True):
            axis.set_xlabel(label)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(models), fontsize=8)
    return figure


def quality(table):
    """A panel a metric: each model's value with its interval, over the band of real against real.

    table: `results.quality` of one run. The panels name their n; the extractor belongs into the caption.
    """
    metrics = [metric for metric in (*FEATURES, "ms_ssim", "power_spectrum_distance") if metric in set(table["metric"])]
    models = list(dict.fromkeys(table["model"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.6 * -(-len(metrics) // 2)), layout="constrained")
        axes = figure.subplots(-(-len(metrics) // 2), 2, squeeze=False).ravel()
        for axis in axes[len(metrics) :]:
            axis.remove()
        for axis, metric in zip(axes, metrics, strict=False):
            rows = table[table["metric"] == metric].set_index("model").loc[models]
            axis.axvspan(rows["real_vs_real_low"].min(), rows["real_vs_real_high"].max(), color="0.85", lw=0)
            axis.axvline(rows["real_vs_real"].iloc[0], color="0.4", lw=1, ls=":")
            for place, (_, row) in enumerate(rows.iterrows()):
                errors = error_bars(row["value"], row["low"], row["high"])
                axis.errorbar(row["value"], place, xerr=errors, fmt="o", capsize=3, color=COLOURS[place % 7], ls="")
            axis.set_yticks(range(len(models)), models)
            axis.set_ylim(len(models) - 0.5, -0.5)
            axis.set_title(f"{METRIC_NAMES[metric]} {ARROWS[rows['better'].iloc[0]]}  (n = {rows['n'].iloc[0]})")
            axis.locator_params(axis="x", nbins=5)
            _shorten(axis, rows, metric)
    return figure


def _shorten(axis, rows, metric):
    """Make the axis of a distance logarithmic beyond real against real, where a model is far beyond it."""
    reach = rows["real_vs_real_high"].min()
    if metric.endswith("_distance") and rows["high"].max() > 20 * reach > 0:
        symmetric_log(axis.xaxis, reach)


def by_class(panels):
    """A panel a measure, a row a class, and in each row the models side by side, with 95% intervals.

    panels: {title: DataFrame with model, class, value, low, high and, for a grey band in each row, floor_low and
    floor_high; where they are constant over the classes, `chance` draws a dotted line}.
    """
    with mpl.rc_context(STYLE):
        tables = list(panels.values())
        classes = list(dict.fromkeys(name for table in tables for name in table["class"]))
        models = list(dict.fromkeys(name for table in tables for name in table["model"]))
        height = 0.8 + (0.18 + 0.14 * len(models)) * len(classes)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, table) in zip(axes, panels.items(), strict=True):
            for place, name in enumerate(classes):
                rows = table[table["class"] == name]
                if "real_vs_real_low" in rows:
                    band = (place - 0.4, 0.8)
                    for row in rows.drop_duplicates("class").itertuples():
                        axis.broken_barh(
                            [(row.real_vs_real_low, row.real_vs_real_high - row.real_vs_real_low)],
                            band,
                            color="0.85",
                            lw=0,
                        )
                for row in rows.itertuples():
                    number = models.index(row.model)
                    offset = (number - (len(models) - 1) / 2) * 0.7 / len(models)
                    errors = error_bars(row.value, row.low, row.high)
                    label = row.model if place == 0 else None
                    look = {"fmt": MARKERS[number % 7], "ms": 4, "capsize": 2, "color": COLOURS[number % 7], "ls": ""}
                    axis.errorbar(row.value, place + offset, xerr=errors, label=label, **look)
            if "chance" in table:
                axis.axvline(table["chance"].iloc[0], color="0.4", lw=1, ls=":")
            axis.set_title(title)
            axis.set_yticks(range(len(classes)), [name.replace("_", " ") for name in classes])
            axis.set_ylim(len(classes) - 0.5, -0.5)
            axis.locator_params(axis="x", nbins=5 if len(panels) < 3 else 3)
            if "metric" in table:
                _shorten(axis, table, table["metric"].iloc[0])
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(models), 5), fontsize=8)
    return figure


def overfitting(logs):
    """What the discriminator knows by heart and what it does to the images, over the images seen.

    logs: {title: path of log.csv}; the columns are those of `callbacks.Watch`. The strength of the augmentation is
    drawn where it is adaptive.
    """
    tables = {title: pd.read_csv(path) for title, path in logs.items()}
    panels = {
        "overfitting": "overfitting",
        "validation_distance": "distance to validation images",
        "augmentation_probability": "probability of augmentation",
    }
    panels = {name: title for name, title in panels.items() if any(name in table for table in tables.values())}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, (column, title) in zip(axes, panels.items(), strict=True):
            for number, (label, table) in enumerate(tables.items()):
                if column in table:
                    axis.plot(
                        table["kimg"], table[column], label=label, color=COLOURS[number], ls=("-", "--")[number % 2]
                    )
            axis.set_title(title, fontsize=8)
            axis.set_xlabel("thousand images seen")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(tables), fontsize=8)
        if (pd.concat(tables.values())["validation_distance"] > 0).all():
            axes[1].set_yscale("log")
            plain_ticks(axes[1].yaxis)
    return figure
