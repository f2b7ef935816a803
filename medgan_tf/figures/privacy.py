"""Figures and the table of the privacy audit, from `results.privacy` of one run."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLOURS, STYLE, WIDTH
from .tables import interval

ROC = ("fpr", "tpr")
LINES = ("-", "--", "-.", ":")
GROUPS = {"held_out": "held-out real", "synthetic": "synthetic"}
KINDS = {"pixels": "1 - correlation after registration", "features": "distance between features"}


def privacy_table(sections):
    """A row a model: copy rates and attacks with 95% intervals, beside what chance gives."""
    expected = {"copies, pixels": "0.01", "copies, features": "0.01", "nearer to training": "0.5"}
    expected |= {"distance AUC": "0.5", "distance TPR": "0.01", "discriminator AUC": "0.5", "discriminator TPR": "0.01"}
    rows = {"expected of chance": expected}
    for name, section in sections.items():
        memory, attacks = section["memorisation"], section["attacks"]
        cells = {f"copies, {kind}": interval(**memory[kind]["copy_rate"]) for kind in KINDS}
        cells["nearer to training"] = interval(**memory["pixels"]["nearer_to_training"])
        for attack, record in attacks.items():
            cells |= {f"{attack} {key.upper()}": interval(**record[key]) for key in ("auc", "tpr")}
        rows[name] = cells
    table = pd.DataFrame(rows).T
    return table[[column for column in expected if column in table]].fillna("–")


def nearest_data(sections, kind="pixels"):
    """What `nearest_distances` draws: a row a model, group ("held_out", "synthetic") and bin from `low` to `high`, with
    the count, the density, the model's threshold and its n.
    """
    rows = []
    for name, section in sections.items():
        record = section["memorisation"][kind]
        edges = np.array(record["histogram"]["edges"])
        for group in GROUPS:
            counted = np.array(record["histogram"][group])
            bins = {"low": edges[:-1], "high": edges[1:], "count": counted}
            bins["density"] = counted / counted.sum() / np.diff(edges)
            more = {"threshold": record["threshold"], "n": record["n"]}
            rows.append(pd.DataFrame({"model": name, "group": group} | bins | more))
    return pd.concat(rows, ignore_index=True)


def nearest_distances(sections, kind="pixels"):
    """A panel a model: how far synthetic and held-out images are from their nearest training image; dotted:
    threshold.
    """
    table = nearest_data(sections, kind)
    with mpl.rc_context(STYLE):
        count = len(sections)
        figure = Figure(figsize=(WIDTH, 0.5 + 1.5 * -(-count // 2)), layout="constrained")
        axes = figure.subplots(-(-count // 2), 2, squeeze=False, sharex=True).ravel()
        for axis in axes[count:]:
            axis.remove()
        for axis in axes[count - 2 : count]:  # the last of each column
            axis.tick_params(labelbottom=True)
        for axis, (name, own) in zip(axes, table.groupby("model", sort=False), strict=False):
            for number, (group, label) in enumerate(GROUPS.items()):
                bins = own[own["group"] == group]
                edges = [*bins["low"], bins["high"].iloc[-1]]
                axis.stairs(bins["density"], edges, fill=True, alpha=0.35, color=COLOURS[number], label=label)
                axis.stairs(bins["density"], edges, color=COLOURS[number])
            axis.axvline(own["threshold"].iloc[0], color="0.2", lw=1, ls=":", label="threshold")
            axis.set_title(f"{name} (n = {own['n'].iloc[0]})")
            axis.set_yticks([])
        figure.supxlabel(f"to the nearest training image: {KINDS[kind]}", fontsize=9)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)
    return figure


def attack_data(sections):
    """What `attack_curves` draws: a row an attack, model and point of the curve, fpr and tpr."""
    return pd.concat(
        [
            pd.DataFrame(
                {"attack": attack, "model": name} | {side: section["attacks"][attack]["roc"][side] for side in ROC}
            )
            for attack in ("discriminator", "distance")
            for name, section in sections.items()
            if attack in section["attacks"]
        ],
        ignore_index=True,
    )


def attack_curves(sections):
    """A panel an attack, a line a model: share of members found over share of others accused; grey: up to 1%."""
    table, names = attack_data(sections), list(sections)
    attacks = list(dict.fromkeys(table["attack"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes = figure.subplots(1, len(attacks), squeeze=False, sharey=True)[0]
        chance = np.geomspace(1e-3, 1, 50)
        for axis, attack in zip(axes, attacks, strict=True):
            axis.axvspan(1e-3, 0.01, color="0.88", lw=0)
            axis.plot(chance, chance, color="0.4", lw=1, ls=":", label="chance")
            for name, roc in table[table["attack"] == attack].groupby("model", sort=False):
                number = names.index(name)
                look = {"color": COLOURS[number % 7], "ls": LINES[number // 7 + number % 2], "lw": 1.3}
                axis.plot(roc["fpr"], roc["tpr"], label=name, **look)
            axis.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1))
            axis.set_title(f"{attack} attack")
            axis.set_xlabel("others wrongly accused")
        axes[0].set_ylabel("members found")
        handles = {}
        for axis in axes:
            handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return figure
