"""Figures and tables of a reader study; those of simulated readers say so in title, caption and file name."""

import matplotlib as mpl
import numpy as np
import pandas as pd

from medgan_tf import results

from .cells import cell
from .saving import Figure, Table
from .style import COLOURS, WIDTH, in_style, marker, named_rows, subplots, value_in_row

PROPORTIONS = ("accuracy", "sensitivity", "specificity")
COLUMNS = {name: name for name in PROPORTIONS} | {
    "auc": "AUC",
    "realism_real": "realism of real",
    "realism_synthetic": "realism of synthetic",
}


def reader_power_table(run):
    """The power of reader studies with different numbers of images and readers."""
    rows = {
        f"{record['images']} images, {record['readers']} readers": {
            **{f"if accuracy is {accuracy}": f"{power:.2f}" for accuracy, power in record["power"].items()},
            "within margin if 0.5": f"{record['equivalence']:.2f}",
            "half-width at 0.5": f"{record['half_width']:.2f}",
        }
        for record in results.read(run)["reader_study_power"]
    }
    caption = "Planning a reader study: chance that its 95% interval shows an accuracy, and half its width."
    return Table(pd.DataFrame(rows).T, "reader_power", caption)


def reader_study(section, images, kinds):
    """The table and the three figures of an analysed reader study.

    section: its section of results.json. images: (n, H, W) uint8 of the kit. kinds: (n,) "real" or "synthetic".
    """
    artefacts = artefact_map(section, images, kinds)
    return [reader_table(section), reader_proportions(section), reader_roc(section), artefacts]


def reader_table(section):
    """Accuracy, AUC and realism of each reader and of all, with 95% intervals."""
    rows = section["by_reader"] | {"all readers": section["pooled"]}
    text = {name: {title: cell(row[key]) for key, title in COLUMNS.items()} for name, row in rows.items()}
    return Table(pd.DataFrame(text).T, _name("readers", section), _proportions_caption(section))


@in_style
def reader_proportions(section):
    """Accuracy, sensitivity and specificity of each reader and of all, with 95% intervals."""
    rows = section["by_reader"] | {"all readers": section["pooled"]}
    figure, axes = subplots(0.9 + 0.24 * len(rows), 1, len(PROPORTIONS), sharey=True)
    for axis, key in zip(axes[0], PROPORTIONS, strict=True):
        for place, record in enumerate(row[key] for row in rows.values()):
            pooled = place == len(rows) - 1
            look = {"fmt": "D", "color": COLOURS[1], "ms": 5} if pooled else {"color": COLOURS[0]}
            value_in_row(axis, record, place, **look)
        axis.axvline(0.5, color="0.4", lw=1, ls=":")
        axis.axhline(len(rows) - 1.5, color="0.8", lw=0.8, ls="-")
        axis.set(title=key, xlim=(-0.02, 1.02))
        named_rows(axis, rows)
    return _figure(figure, "reader_shares", section, _proportions_caption(section))


@in_style
def reader_roc(section):
    """The ROC curve of each reader, from answer and confidence."""
    figure, axes = subplots(WIDTH * 0.54)
    axis = axes[0, 0]
    axis.plot([0, 1], [0, 1], color="0.6", lw=1, ls=":", label="chance")
    for number, (name, curve) in enumerate(section["roc"].items()):
        area = section["by_reader"][name]["auc"]["value"]
        look = {"ms": 3, "lw": 1.2, "ls": "-"} | marker(number)
        axis.plot(curve["false_positives"], curve["true_positives"], label=f"{name}: {area:.2f}", **look)
    axis.set(xlabel="real images called synthetic", ylabel="synthetic images called synthetic", aspect="equal")
    axis.legend(loc="center left", bbox_to_anchor=(1.03, 0.5), title="area under the curve", title_fontsize=9)
    return _figure(figure, "reader_roc", section, f"{_who(section)} ROC curves from answer and confidence.")


@in_style
def artefact_map(section, images, kinds):
    """Where readers marked artefacts, over the mean image of each kind. Arguments as for `reader_study`."""
    figure, axes = subplots(WIDTH * 0.44, 1, 2, width=WIDTH * 0.8)
    counts = {}
    for kind, part in section["artefacts"].items():
        x, y = np.reshape(part["points"], (-1, 2)).T
        counts[kind] = np.histogram2d(y, x, bins=16, range=[[0, 1], [0, 1]])[0]
    highest = max(1, *(count.max() for count in counts.values()))
    for axis, (kind, count) in zip(axes[0], counts.items(), strict=True):
        mean, marked = images[kinds == kind].mean(axis=0), section["artefacts"][kind]["marked"]
        box = {"extent": (0, 1, 1, 0), "aspect": mean.shape[0] / mean.shape[1]}
        axis.imshow(mean, cmap="gray", vmin=0, vmax=255, **box)
        shown = axis.imshow(np.ma.masked_equal(count, 0), cmap="YlOrRd", alpha=0.6, vmin=0, vmax=highest, **box)
        axis.set_title(f"{kind}\nmarks in {marked['k']} of {marked['n']} answers")
        axis.set_axis_off()
    figure.colorbar(shown, ax=axes[0], shrink=0.8, label="marks", ticks=mpl.ticker.MaxNLocator(integer=True))
    caption = f"{_who(section)} Where readers marked artefacts, over the mean image of each kind."
    return _figure(figure, "reader_artefacts", section, caption)


def _who(section):
    """Who read what, the beginning of every caption."""
    images = section["pooled"]["accuracy"]["images"]
    who = f"{section['readers']} {'SIMULATED readers (no people)' if section['simulated'] else 'readers'}"
    return f"{who}, {images} images, half of them synthetic, of {section['model']}."


def _proportions_caption(section):
    positive = "Synthetic is the positive class."
    return f"{_who(section)} {positive} Wilson intervals; for all, intervals for other readers and images."


def _name(name, section):
    return f"{name}_simulated" if section["simulated"] else name


def _figure(figure, name, section, caption):
    if section["simulated"]:
        figure.suptitle("SIMULATED READERS, NO PEOPLE", fontsize=8, color=COLOURS[1], fontweight="bold")
    return Figure(figure, _name(name, section), caption)
