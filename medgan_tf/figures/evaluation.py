"""Quality of models against held-out real images: tables, values with intervals, spectra and sensitivity."""

import pandas as pd

from medgan_tf import results

from . import style
from .cells import FEATURES, FURTHER, METRIC_NAMES, PIXELS, by_metric, features_of, measured_on, quality_cells, titled
from .panels import by_class, join_metrics, scatter_with_intervals, shorten
from .saving import Figure, Table, of_results

GROUPS = {  # of metrics: file name, beginning of the caption
    FEATURES: ("", ""),
    FURTHER: ("_further", "Further metrics. "),
    PIXELS: ("_pixels", "Distances between statistics of the pixels, without features. "),
}
SENSITIVITY = ("kernel_distance", "frechet_distance", "precision", "recall", "coverage", "ms_ssim")
SENSITIVITY += ("power_spectrum_distance", "intensity_distance")
STRENGTHS = {
    "blur": "blur: standard deviation, pixels",
    "noise": "noise: standard deviation, grey levels",
    "contrast": "contrast: proportion removed",
    "flip": "flip: proportion of images",
}


def quality_table(run, kind="quality", metrics=FEATURES, name=None, about=""):
    """The metrics of every model in a run, as `quality_cells`; None where none was measured.

    kind: the sections of results.json, "quality" or for example "quality_squeezenet". metrics: FEATURES, FURTHER or
    PIXELS. name: of the files, by default after both. about: a sentence that begins the caption.
    """
    table = results.quality(run, kind)
    if table.empty or not set(metrics) & set(table["metric"]):
        return None
    suffix, beginning = GROUPS[metrics]
    caption = f"{about}{beginning}Quality of generated images: {measured_on(table)}."
    return Table(quality_cells(table, metrics), name or kind + suffix, caption)


@of_results(results.quality)
def quality(run, table):
    """One panel for each metric: each model's value with its interval, over the grey band of real against real."""
    panels = by_metric(table, (*FEATURES, "ms_ssim", "power_spectrum_distance")).values()
    models = list(table["model"].unique())
    lines = -(-len(panels) // 2)
    figure, axes = style.subplots(1.6 * lines, lines, 2)
    for axis in axes.ravel()[len(panels) :]:
        axis.remove()
    for axis, rows in zip(axes.ravel(), panels, strict=False):
        rows = rows.set_index("model").loc[models]
        axis.axvspan(rows["real_vs_real_low"].min(), rows["real_vs_real_high"].max(), **style.BAND)
        axis.axvline(rows["real_vs_real"].iloc[0], color="0.4", lw=1, ls=":")
        for place, row in enumerate(rows.to_dict("records")):
            style.value_in_row(axis, row, place, color=style.COLOURS[place % 7], ms=6, capsize=3)
        style.named_rows(axis, models)
        axis.set_title(f"{titled(rows)}  (n = {rows['n'].iloc[0]})")
        shorten(axis, rows)
    return Figure(figure, "quality", f"Quality of generated images: {measured_on(table)}. {style.GREY}", table)


@of_results(results.quality)
def precision_recall(run, table):
    """Fidelity against diversity: precision over recall, density over coverage."""
    pairs = ("recall", "precision"), ("coverage", "density")
    rows = [[table[table["metric"] == metric] for metric in pair] for pair in pairs]
    panels = {(titled(x), titled(y)): join_metrics(x, y) for x, y in rows}
    caption = f"Fidelity against diversity: {measured_on(table)}. {style.GREY}"
    return Figure(scatter_with_intervals(panels), "precision_recall", caption, table)


@of_results(results.table, "classes")
def class_quality(run, table):
    """Distances and diversity class by class; None where no class has enough images."""
    measured = by_metric(table, ("frechet_distance", "kernel_distance", "ms_ssim"))
    panels = {titled(rows): rows for rows in measured.values()}
    counts = table.drop_duplicates("class").set_index("class")["n"]
    few = {
        label: records["too_few"]
        for section in results.sections(run, "classes").values()
        for label, records in section.items()
        if "too_few" in records
    }
    caption = (
        "Fréchet and kernel distance and diversity class by class, 95% intervals over half-splits of held-out patients;"
        f" images a side: {_counts(counts)}; {features_of(table.iloc[0])}, MS-SSIM of the pixels. {style.GREY}"
    )
    caption += f" Not measured, with too few images: {_counts(few)}." if few else ""
    return Figure(by_class(panels), "quality_by_class", caption, table)


def _counts(numbers):
    return ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in numbers.items())


@of_results(results.sections, "curves")
def spectra(run, sets):
    """Mean power spectrum and autocorrelation of real images (black) and of every model, with 95% intervals."""
    panels = {
        "power_spectrum": ("cycles an image", "power, dB of squared grey levels"),
        "autocorrelation": ("lag, pixels", "autocorrelation"),
    }
    parts = [{"set": name, "measure": part} | records[part] for name, records in sets.items() for part in panels]
    data = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    figure, axes = style.subplots(2.9, 1, len(panels))
    for axis, (part, (x, y)) in zip(axes[0], panels.items(), strict=True):
        own = data[data["measure"] == part]
        for number, (name, record) in enumerate(own.groupby("set", sort=False)):
            colour, line = ("black", "-") if number == 0 else (style.COLOURS[(number - 1) % 6], style.LINES[number % 4])
            axis.plot(record["place"], record["value"], label=name, color=colour, ls=line, lw=1.2)
            shade = {"color": "0.6" if number == 0 else colour, "alpha": 0.3, "lw": 0}
            axis.fill_between(record["place"], record["low"], record["high"], **shade)
        axis.set_xlabel(x)
        axis.set_ylabel(y)
    style.log_scale(axes[0, 0].xaxis)
    style.legend_below(figure, axes[0, :1])
    n = ", ".join(f"{name} {records['power_spectrum']['n']}" for name, records in sets.items())
    caption = (
        "Mean power spectrum and autocorrelation with 95% intervals from half-splits (by patient where images are"
        f" real). Images: {n}."
    )
    return Figure(figure, "spectra", caption, data)


@of_results(results.section, "sensitivity")
def sensitivity(run, records):
    """The response of each metric (rows) to each kind of damage to real images (columns), over its strength."""
    table = pd.DataFrame(records)
    kinds, measured = table["kind"].unique(), by_metric(table, SENSITIVITY)
    size = len(measured), len(kinds)
    figure, axes = style.subplots(0.95 * len(measured) + 0.5, *size, sharex="col", sharey="row")
    for row, (metric, rows) in zip(axes, measured.items(), strict=True):
        for number, (axis, kind) in enumerate(zip(row, kinds, strict=True)):
            found = rows[rows["kind"] == kind]
            axis.axhspan(found["real_vs_real_low"].min(), found["real_vs_real_high"].max(), **style.BAND)
            errors = style.error_bars(found["value"], found["low"], found["high"])
            axis.errorbar(found["strength"], found["value"], errors, **style.marker(number), ms=3, capsize=2, lw=1)
            axis.tick_params(labelsize=7)
        real_vs_real, most = rows[["real_vs_real_high", "high"]].max()
        if metric.endswith("distance") and most > 5 * real_vs_real > 0:  # the least damage would lie on the axis
            style.symmetric_log(row[0].yaxis, real_vs_real)
        else:
            row[0].locator_params(axis="y", nbins=3)
        row[0].set_ylabel(METRIC_NAMES[metric].replace(" ", "\n", 1), fontsize=7)
    for axis, kind in zip(axes[-1], kinds, strict=True):
        axis.set_xlabel(STRENGTHS.get(kind, kind), fontsize=7)
    caption = (
        f"Real images, damaged on purpose, against undamaged ones of other patients: {measured_on(table)}. {style.GREY}"
    )
    return Figure(figure, "sensitivity", caption.replace("held-out patients", "patients"), table)
