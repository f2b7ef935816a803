"""The augmentation study: its tables, forest plots of differences, and curves over the number of real images."""

from medgan_tf import results

from .cells import pivoted
from .saving import Figure, Table
from .style import COLOURS, error_bars, in_style, legend_below, named_rows, subplots, value_in_row

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "calibration_error": "calibration error",
}
LOOKS = {"better": (COLOURS[2], "^"), "worse": (COLOURS[1], "v"), "no difference shown": ("0.45", "o")}


def _rows(run, part, model):
    table = results.augmentation(run, part)
    return table[table["model"] == model]


def _tested_on(run, model):
    """The images and seeds that the intervals are over, for captions."""
    section = results.read(run)[f"augmentation/{model}"]
    test, seeds = section["splits"]["test"], len(section["settings"]["seeds"])
    return f"{test['images']} real test images of {test['patients']} patients, {seeds} seed(s), 95% intervals"


def augmentation_table(run, model):
    """The measures of every arm, means over classes. model: the generator whose images were used."""
    values = _rows(run, "arms", model).query("`class` == 'mean'")
    table = pivoted(values, "arm", "measure").loc[list(dict.fromkeys(values["arm"])), list(NAMES)]
    steps = results.read(run)[f"augmentation/{model}"]["settings"]["steps"]
    caption = (
        f"Classifiers on {_tested_on(run, model)}; synthetic images of {model}; {steps} optimizer steps each. Means"
        " over classes."
    )
    return Table(table.rename(columns=NAMES), f"augmentation_{model}", caption)


def difference_table(run, model, measures=("auroc", "sensitivity")):
    """Differences between arms and their references, and p after Holm's correction."""
    found = _rows(run, "comparisons", model).query("measure in @measures")
    found = found.assign(
        row=found["arm"] + " – " + found["reference"],
        cell=[f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]" for row in found.itertuples()],
        p=["< 0.001" if p < 0.001 else f"{p:.3f}" for p in found["p_holm"]],
    )
    table = found.pivot(index="row", columns="measure", values=["cell", "p"]).loc[list(dict.fromkeys(found["row"]))]
    pairs = [(part, measure) for measure in measures for part in ("cell", "p")]
    heads = [NAMES[measure] if part == "cell" else f"p, {NAMES[measure]}" for part, measure in pairs]
    caption = (
        f"Differences, paired by patient and seed; {_tested_on(run, model)}; images of {model}. p is Holm-corrected in"
        " each block and measure."
    )
    table = table[pairs].set_axis(heads, axis=1).rename_axis(index=None)
    return Table(table, f"augmentation_{model}_differences", caption)


def rare_class_table(run, model):
    """The arms that add images of the rarest class, with that class's own measures."""
    family = _rows(run, "comparisons", model).query("family == 'rare class'")
    arms = list(dict.fromkeys([*family["reference"], *family["arm"]]))
    values = _rows(run, "arms", model)
    values = values[values["class"] == family["class"].iloc[0]]
    table = pivoted(values, "arm", "measure").loc[arms, ["sensitivity", "specificity", "auroc", "auprc"]]
    section = results.read(run)[f"augmentation/{model}"]
    rare = section["rare_class"]
    caption = (
        f"The rarest class, {rare['name'].replace('_', ' ')}, with {rare['topped_up_by']} more images: its own"
        f" measures, at a threshold of specificity {section['settings']['specificity']:g} on validation;"
        f" {_tested_on(run, model)}; {model}."
    )
    return Table(table.rename(columns=NAMES), f"augmentation_{model}_rare", caption)


@in_style
def forest(run, model, measures=("auroc", "sensitivity", "calibration_error")):
    """Forest plot of the differences between arms and their references with 95% intervals, a panel for each measure."""
    table = _rows(run, "comparisons", model).query("measure in @measures")
    heads = [_heading(*row) for row in table[["family", "reference", "class"]].itertuples(index=False)]
    lines = []  # a heading for each block of comparisons with the same reference, then its arms
    for line in zip(heads, table["arm"], strict=True):
        if line not in lines:
            lines += [line] if line[0] in [head for head, _ in lines] else [(line[0], None), line]
    figure, axes = subplots(0.8 + 0.19 * len(lines), 1, len(measures), sharey=True)
    for axis, measure in zip(axes[0], measures, strict=True):
        axis.axvline(0, color="0.4", lw=1, ls=":")
        for head, row in zip(heads, table.to_dict("records"), strict=True):
            if row["measure"] == measure:
                colour, fmt = LOOKS[row["interpretation"]]
                value_in_row(axis, row, lines.index((head, row["arm"])), fmt=fmt, color=colour)
        axis.set_title(f"difference in\n{NAMES[measure]} {'↓' if measure == 'calibration_error' else '↑'}")
        axis.locator_params(axis="x", nbins=3)
        axis.tick_params(axis="y", length=0)
    first = axes[0, 0]
    named_rows(first, [arm or head for head, arm in lines], fontsize=7)
    for (_, arm), text in zip(lines, first.get_yticklabels(), strict=True):
        text.set_fontweight("normal" if arm else "bold")
    caption = (
        f"Differences in the mean over classes, paired by patient and seed; {_tested_on(run, model)}; synthetic images"
        f" of {model}. Triangles: shown after Holm's correction within each block and measure; circles: not shown."
    )
    return Figure(figure, f"augmentation_{model}", caption, table)


def _heading(family, reference, name):
    """What stands above comparisons with the same reference."""
    if family == "small data":
        return "against that part of real only"
    if family == "rare class":
        return f"{name.replace('_', ' ')}, against {reference.removeprefix('rare class ')}"
    return f"against {reference}"


@in_style
def small_data(run, model, measures=("auroc", "balanced_accuracy")):
    """Measures over the number of real training images: real images alone, and with synthetic ones."""
    curve, table = _rows(run, "curve", model), _rows(run, "arms", model)
    alone = curve.loc[curve["images"] == 0, "real + synthetic"].item()
    curve = curve[curve["images"] > 0]
    values = table[table["class"] == "mean"].set_index(["measure", "arm"])
    figure, axes = subplots(2.7, 1, len(measures))
    for axis, measure in zip(axes[0], measures, strict=True):
        found = values.loc[measure]
        axis.axhspan(found.loc[alone, "low"], found.loc[alone, "high"], color="0.88", lw=0)
        axis.axhline(found.loc[alone, "value"], color="0.4", lw=1, ls=":", label=alone)
        for number, column in enumerate(("real", "real + synthetic")):
            rows = found.loc[curve[column]]
            errors = error_bars(rows["value"], rows["low"], rows["high"])
            places = curve["images"] * (1 + 0.04 * number)  # side by side, so that both intervals are seen
            look = {"marker": "os"[number], "color": COLOURS[number], "ls": ("-", "--")[number]}
            axis.errorbar(places, rows["value"], yerr=errors, label=column, ms=4, capsize=2, **look)
        axis.set_xscale("log")
        axis.set_xticks(curve["images"], curve["images"])
        axis.minorticks_off()
        axis.set_xlabel("real training images")
        axis.set_title(NAMES[measure])
    legend_below(figure, axes[0, :1])
    section = results.read(run)[f"augmentation/{model}"]
    caption = (
        f"Real training images alone, and with {section['splits']['train']['images']} synthetic images of {model},"
        " whose generator was trained on all real training images. Band: synthetic images alone."
        f" {_tested_on(run, model)}, {section['settings']['steps']} optimizer steps each."
    )
    return Figure(figure, f"augmentation_{model}_few", caption, table)
