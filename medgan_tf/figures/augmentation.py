"""The augmentation study: forest plots of differences, curves over the number of real images, and its table."""

import matplotlib as mpl
from matplotlib.figure import Figure

from .style import COLOURS, STYLE, WIDTH, error_bars
from .tables import interval

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "calibration_error": "calibration error",
}
LOOKS = {"better": (COLOURS[2], "^"), "worse": (COLOURS[1], "v"), "no difference shown": ("0.45", "o")}


def forest(table, measures=("auroc", "sensitivity", "calibration_error")):
    """A panel a measure, a row a comparison: the difference to the reference with its 95% interval.

    table: rows of one model of `results.augmentation`. A triangle is a difference that was shown after Holm's
    correction, up for better and down for worse; a circle is none shown.
    """
    table = table[table["measure"].isin(measures)]
    heads = [_head(*row) for row in table[["family", "reference", "class"]].itertuples(index=False)]
    lines = []  # a heading for each block of comparisons with the same reference, then its arms
    for line in zip(heads, table["arm"], strict=True):
        if line not in lines:
            lines += [line] if line[0] in [head for head, _ in lines] else [(line[0], None), line]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.8 + 0.19 * len(lines)), layout="constrained")
        axes = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
        for axis, measure in zip(axes, measures, strict=True):
            axis.axvline(0, color="0.4", lw=1, ls=":")
            for head, row in zip(heads, table.itertuples(), strict=True):
                if row.measure == measure:
                    colour, marker = LOOKS[row.reading]
                    errors = error_bars(row.value, row.low, row.high)
                    look = {"fmt": marker, "ms": 4, "capsize": 2, "color": colour, "ls": ""}
                    axis.errorbar(row.value, lines.index((head, row.arm)), xerr=errors, **look)
            axis.set_title(f"difference in\n{NAMES[measure]} {'↓' if measure == 'calibration_error' else '↑'}")
            axis.locator_params(axis="x", nbins=3)
            axis.tick_params(axis="y", length=0)
        axes[0].set_yticks(range(len(lines)), [arm or head for head, arm in lines], fontsize=7)
        for (_, arm), text in zip(lines, axes[0].get_yticklabels(), strict=True):
            text.set_fontweight("normal" if arm else "bold")
        axes[0].set_ylim(len(lines) - 0.5, -0.5)
    return figure


def _head(family, reference, name):
    """What stands above comparisons with the same reference."""
    if family == "small data":
        return "against that part of real only"
    if family == "rare class":
        return f"{name.replace('_', ' ')}, against {reference.removeprefix('rare class ')}"
    return f"against {reference}"


def small_data(values, curve, measures=("auroc", "balanced_accuracy")):
    """A panel a measure, over the number of real training images: real images alone, and with synthetic ones.

    values, curve: parts "arms" and "curve" of `results.augmentation`, rows of one model. Without real images: the band.
    """
    alone = curve.loc[curve["images"] == 0, "real + synthetic"].item()
    curve = curve[curve["images"] > 0]
    values = values[values["class"] == "mean"].set_index(["measure", "arm"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
        axes = figure.subplots(1, len(measures), squeeze=False)[0]
        for axis, measure in zip(axes, measures, strict=True):
            found = values.loc[measure]
            axis.axhspan(found.loc[alone, "low"], found.loc[alone, "high"], color="0.88", lw=0)
            axis.axhline(found.loc[alone, "value"], color="0.4", lw=1, ls=":", label=alone)
            for number, column in enumerate(("real", "real + synthetic")):
                rows = found.loc[curve[column]]
                errors = error_bars(rows["value"], rows["low"], rows["high"])
                places = curve["images"] * (1 + 0.04 * number)  # side by side, so that both intervals are seen
                look = {
                    "marker": "os"[number],
                    "ms": 4,
                    "capsize": 2,
                    "color": COLOURS[number],
                    "ls": ("-", "--")[number],
                }
                axis.errorbar(places, rows["value"], yerr=errors, label=column, **look)
            axis.set_xscale("log")
            axis.set_xticks(curve["images"], curve["images"])
            axis.minorticks_off()
            axis.set_xlabel("real training images")
            axis.set_title(NAMES[measure])
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def augmentation_table(values):
    """A row an arm, a column a measure (mean over classes); a DataFrame.

    values: part "arms" of `results.augmentation`, rows of one model.
    """
    values = values[values["class"] == "mean"]
    cells = values.assign(cell=[interval(*row) for row in values[["value", "low", "high"]].to_numpy()])
    table = cells.pivot(index="arm", columns="measure", values="cell")
    return _named(table.loc[list(dict.fromkeys(values["arm"])), list(NAMES)])


def difference_table(comparisons, measures=("auroc", "sensitivity")):
    """A row a comparison, for each measure the difference and its p after Holm's correction; a DataFrame.

    comparisons: part "comparisons" of `results.augmentation`, rows of one model.
    """
    found = comparisons[comparisons["measure"].isin(measures)]
    found = found.assign(
        row=found["arm"] + " – " + found["reference"],
        cell=[f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]" for row in found.itertuples()],
        p=["< 0.001" if p < 0.001 else f"{p:.3f}" for p in found["p_holm"]],
    )
    table = found.pivot(index="row", columns="measure", values=["cell", "p"]).loc[list(dict.fromkeys(found["row"]))]
    pairs = [(part, measure) for measure in measures for part in ("cell", "p")]
    heads = [NAMES[measure] if part == "cell" else f"p, {NAMES[measure]}" for part, measure in pairs]
    return table[pairs].set_axis(heads, axis=1).rename_axis(index=None)


def rare_table(values, comparisons):
    """A row an arm of the family "rare class", a column each of that class's own measures. Arguments as above."""
    family = comparisons[comparisons["family"] == "rare class"]
    arms = list(dict.fromkeys([*family["reference"], *family["arm"]]))
    values = values[values["class"] == family["class"].iloc[0]]
    cells = values.assign(cell=[interval(*row) for row in values[["value", "low", "high"]].to_numpy()])
    table = cells.pivot(index="arm", columns="measure", values="cell").loc[arms]
    return _named(table[["sensitivity", "specificity", "auroc", "auprc"]])


def _named(table):
    return table.rename(columns=NAMES).rename_axis(index=None, columns=None)
