"""Figures that set models beside each other in two measures at once, and the tables that go into them."""

import math

import matplotlib as mpl
from matplotlib.figure import Figure

from medgan_tf.intervals import over_seeds

from .charts import by_class
from .style import COLOURS, MARKERS, STYLE, WIDTH, error_bars, plain_ticks, symmetric_log
from .tables import ARROWS, METRIC_NAMES, RULES

HATCHES = ("", "//", "..", "xx")  # in case the colours print alike
ENDS = ["value", "low", "high", "real_vs_real", "real_vs_real_low", "real_vs_real_high"]


def meet(x, y):
    """A row a model of both measures: x and y are tables with `model` and `ENDS`, of which a floor may be missing."""
    sides = [
        table.set_index("model")[[end for end in ENDS if end in table]].add_prefix(f"{name}_")
        for name, table in (("x", x), ("y", y))
    ]
    return sides[0].join(sides[1], how="inner").reset_index()


def crosses(panels, log_x=False, linear_to=None):
    """A panel a pair of measures; in it each model's values with their 95% intervals, both ways.

    panels: {(x label, y label): DataFrame of `meet`}. Grey is real against real where the table has a floor: a band
    in each measure that has one. A measure without interval, such as a cost, has a point only. linear_to: y is linear
    up to this value and logarithmic beyond, for distances that may be negative and differ by orders of magnitude.
    """
    models = list(dict.fromkeys(model for table in panels.values() for model in table["model"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.9 if len(panels) < 3 else 2.5), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for axis, ((x_label, y_label), table) in zip(axes, panels.items(), strict=True):
            for name, span in (("x", axis.axvspan), ("y", axis.axhspan)):
                if f"{name}_floor_low" in table and len(table):
                    span(table[f"{name}_floor_low"].min(), table[f"{name}_floor_high"].max(), color="0.85", lw=0)
            for row in table.to_dict("records"):
                number = models.index(row["model"])
                look = {"ms": 5, "capsize": 2, "ls": "", "lw": 1, **point(number)}
                errors = {f"{name}err": _error(row, name) for name in "xy"}
                axis.errorbar(row["x_value"], row["y_value"], **errors, **look, label=row["model"])
            if linear_to is not None and table["y_value"].max() > 20 * linear_to > 0:
                symmetric_log(axis.yaxis, linear_to)
            if log_x:
                values = table["x_value"][table["x_value"] > 0]
                axis.set_xscale("log", nonpositive="clip")
                highest = table.filter(["x_value", "x_high"]).max().max()
                axis.set_xlim(values.min() / 2, 1.5 * highest)  # an interval's end may be 0
                plain_ticks(axis.xaxis)
            axis.set_xlabel(x_label)
            axis.set_ylabel(y_label)
        handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        columns = math.ceil(len(models) / math.ceil(len(models) / 5))
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=columns, fontsize=8)
    return figure


def precision_recall(table):
    """Fidelity against diversity: precision and recall, density and coverage. table: `results.quality` of one run."""
    pairs = (("recall", "precision"), ("coverage", "density"))
    panels = {}
    for pair in pairs:
        rows = [table[table["metric"] == metric] for metric in pair]
        labels = [
            f"{METRIC_NAMES[metric]} {ARROWS[side['better'].iloc[0]]}" for metric, side in zip(pair, rows, strict=True)
        ]
        panels[tuple(labels)] = meet(*rows)
    return crosses(panels)


def canonical_data(parts):
    """{name: DataFrame}: what each figure of `canonical` draws, a row a model or a model and class."""
    broken = parts["broken"][parts["broken"]["name"].isin(RULES)]
    distance = parts["metrics"].query("name == 'frechet_distance'")
    return {
        "canonical": meet(distance, broken[broken["name"] == "any rule"]),
        "canonical_rules": broken.assign(**{"class": broken["name"].map(RULES)}),
        "canonical_classes": parts["prevalence"].rename(columns={"name": "class"}),
    }


def canonical(parts):
    """{name: figure}: rules broken over the distance of the same images, rule by rule, and the classes shown.

    parts: {part: `results.canonical` of it} with "metrics", "broken" and "prevalence".
    """
    tables = canonical_data(parts)
    labels = f"{METRIC_NAMES['frechet_distance']} ↓", "share of images that break a rule ↓"
    return {
        "canonical": crosses({labels: tables["canonical"]}, log_x=True),
        "canonical_rules": by_class({"share of images that break the rule": tables["canonical_rules"]}),
        "canonical_classes": by_class({"share of images that show it": tables["canonical_classes"]}),
    }


def quality_cost(summary, metric="kernel_distance"):
    """Quality over what it cost: minutes, parameters and peak memory, of the models of which each was recorded.

    summary: `comparison.summarise` of models that can be compared with each other. Costs compare where the trainings
    had the same machine to themselves. Raises ValueError where no cost of any model is known.
    """
    rows = summary[summary["metric"] == metric]
    scales = {
        "minutes of training": rows["seconds"] / 60,
        "parameters, millions": rows["parameters"] / 1e6,
        "peak memory, GiB": rows["peak_memory_mib"] / 1024,
    }
    y = f"{METRIC_NAMES[metric]} {ARROWS[rows['better'].iloc[0]]}"
    panels = {
        (x, y): meet(rows.assign(value=cost).dropna(subset="value")[["model", "value"]], rows)
        for x, cost in scales.items()
        if cost.notna().any()
    }
    if not panels:
        raise ValueError("results.json has no training of these models: run their notebooks before 06.")
    return crosses(panels, log_x=True, linear_to=rows["real_vs_real_high"].max())


def ablation(table, metrics=("kernel_distance", "coverage", "label_agreement")):
    """Bars of each step of the ablation, with 95% intervals, over the band of real against real.

    table: `results.ablation` of one run; seeds are taken together as in `ablation_table`.
    """
    metrics = [metric for metric in metrics if metric in set(table["metric"])]
    steps = list(dict.fromkeys(table["step"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
        axes = figure.subplots(1, len(metrics), squeeze=False)[0]
        for axis, metric in zip(axes, metrics, strict=True):
            own = table[table["metric"] == metric]
            if "real_vs_real_low" in own and own["real_vs_real_low"].notna().any():
                axis.axhspan(
                    own["real_vs_real_low"].min(), own["real_vs_real_high"].max(), color="0.85", lw=0, zorder=0
                )
            for place, step in enumerate(steps):
                value, *ends = over_seeds(own[own["step"] == step])
                look = {"color": COLOURS[place % 7], "edgecolor": "black", "hatch": HATCHES[place % 4], "lw": 0.5}
                axis.bar(place, value, yerr=error_bars(value, *ends), capsize=3, error_kw={"lw": 1}, **look)
            axis.set_xticks(range(len(steps)), steps, rotation=35, ha="right", rotation_mode="anchor")
            axis.set_title(f"{METRIC_NAMES[metric]} {ARROWS[own['better'].iloc[0]]}")
    return figure


def point(number):
    """Colour and marker of the model of this number; the first 42 differ."""
    return {"color": COLOURS[number % 7], "marker": MARKERS[(number + number // 7) % 7]}


def _error(row, name):
    ends = [row.get(f"{name}_{end}") for end in ("value", "low", "high")]
    return None if None in ends else error_bars(*ends)
