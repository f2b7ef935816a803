"""Figures and tables of a reader study, from its section of results.json; simulated readers are called so in each."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .charts import MARKERS
from .style import COLOURS, STYLE, WIDTH, error_bars, save
from .tables import cell, save_table

SHARES = {"accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}
COLUMNS = SHARES | {
    "auc": "AUC",
    "realism_real": "realism of real",
    "realism_synthetic": "realism of synthetic",
}
WARNING = "simulated readers, no people"


def save_reader_study(section, images, kinds, run_dir, notebook):
    """Save the table and the three figures of an analysed section; return what a notebook displays.

    images, kinds: as for `artefact_map`. Those of simulated readers have names and captions that say so.
    """
    suffix, about = "_simulated" if section["simulated"] else "", reader_caption(section)
    shares = (
        f"{about} Synthetic is the positive kind. Wilson intervals; for all, intervals for other readers and images."
    )
    roc = f"{about} ROC curves from answer and confidence."
    places = f"{about} Where readers marked artefacts, over the mean image of each kind."
    return [
        save_table(reader_table(section), run_dir, f"readers{suffix}", shares),
        save(reader_shares(section), run_dir, f"reader_shares{suffix}", shares, notebook),
        save(reader_roc(section), run_dir, f"reader_roc{suffix}", roc, notebook),
        save(artefact_map(section, images, kinds), run_dir, f"reader_artefacts{suffix}", places, notebook),
    ]


def reader_caption(section):
    """Who read what, as the beginning of every caption."""
    images = section["pooled"]["accuracy"]["images"]
    who = f"{section['readers']} {'SIMULATED readers (no people)' if section['simulated'] else 'readers'}"
    return f"{who}, {images} images, half of them synthetic, of {section['model']}."


def reader_table(section):
    """A row a reader and one for all, "value [low, high]"; a DataFrame."""
    rows = section["by_reader"] | {"all readers": section["pooled"]}
    return pd.DataFrame(
        {name: {title: cell(row[key]) for key, title in COLUMNS.items()} for name, row in rows.items()}
    ).T


def power_table(records):
    """A row for each number of images and readers: the records of `studies.readers.power_table`."""
    rows = {
        f"{record['images']} images, {record['readers']} readers": {
            **{f"if accuracy is {accuracy}": f"{power:.2f}" for accuracy, power in record["power"].items()},
            "within margin if 0.5": f"{record['equivalence']:.2f}",
            "half-width at 0.5": f"{record['half_width']:.2f}",
        }
        for record in records
    }
    return pd.DataFrame(rows).T


def reader_shares(section):
    """Accuracy, sensitivity and specificity of each reader and of all, with 95% intervals."""
    rows = section["by_reader"] | {"all readers": section["pooled"]}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 0.24 * len(rows)), layout="constrained")
        axes = figure.subplots(1, len(SHARES), sharey=True)
        for axis, (key, title) in zip(axes, SHARES.items(), strict=True):
            for place, record in enumerate(row[key] for row in rows.values()):
                pooled = place == len(rows) - 1
                look = {"fmt": "D" if pooled else "o", "color": COLOURS[1 if pooled else 0], "ms": 5 if pooled else 4}
                axis.errorbar(record["value"], place, xerr=_errors(record), capsize=2, ls="", **look)
            axis.axvline(0.5, color="0.4", lw=1, ls=":")
            axis.axhline(len(rows) - 1.5, color="0.8", lw=0.8, ls="-")
            axis.set(title=title, xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5))
            axis.set_yticks(range(len(rows)), rows)
        _warn(figure, section)
    return figure


def reader_roc(section):
    """Each reader's ROC curve, from answer and confidence."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, WIDTH * 0.54), layout="constrained")
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], color="0.6", lw=1, ls=":", label="chance")
        for number, (name, curve) in enumerate(section["roc"].items()):
            area = section["by_reader"][name]["auc"]["value"]
            look = {"color": COLOURS[number % 7], "marker": MARKERS[number % 7], "ms": 3, "lw": 1.2, "ls": "-"}
            axis.plot(curve["false_positives"], curve["true_positives"], label=f"{name}: {area:.2f}", **look)
        axis.set(xlabel="real images called synthetic", ylabel="synthetic images called synthetic", aspect="equal")
        axis.legend(loc="center left", bbox_to_anchor=(1.03, 0.5), title="area under the curve", title_fontsize=9)
        _warn(figure, section)
    return figure


def artefact_map(section, images, kinds, bins=16):
    """Where readers marked artefacts, over the mean image of each kind.

    images: (n, H, W) uint8 of the kit; kinds: (n,) "real" or "synthetic".
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH * 0.8, WIDTH * 0.44), layout="constrained")
        axes = figure.subplots(1, 2)
        counts = {kind: _counts(part["points"], bins) for kind, part in section["artefacts"].items()}
        highest = max(1, *(count.max() for count in counts.values()))
        for axis, (kind, count) in zip(axes, counts.items(), strict=True):
            mean, marked = images[kinds == kind].mean(axis=0), section["artefacts"][kind]["marked"]
            box = {"extent": (0, 1, 1, 0), "aspect": mean.shape[0] / mean.shape[1]}
            axis.imshow(mean, cmap="gray", vmin=0, vmax=255, **box)
            shown = axis.imshow(np.ma.masked_equal(count, 0), cmap="YlOrRd", alpha=0.6, vmin=0, vmax=highest, **box)
            axis.set_title(f"{kind}\nmarks in {marked['k']} of {marked['n']} answers")
            axis.set_axis_off()
        figure.colorbar(shown, ax=axes, shrink=0.8, label="marks", ticks=mpl.ticker.MaxNLocator(integer=True))
        _warn(figure, section)
    return figure


def _counts(points, bins):
    x, y = np.reshape(points, (-1, 2)).T if points else ([], [])
    return np.histogram2d(y, x, bins=bins, range=[[0, 1], [0, 1]])[0]


def _errors(record):
    return None if record["low"] is None else error_bars(record["value"], record["low"], record["high"])


def _warn(figure, section):
    if section["simulated"]:
        figure.suptitle(WARNING.upper(), fontsize=8, color=COLOURS[1], fontweight="bold")
