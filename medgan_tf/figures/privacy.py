"""The table and figures of the privacy audit; None where no model was audited."""

import numpy as np
import pandas as pd

from medgan_tf import results

from .cells import cell, feature_classifier_of
from .saving import Figure, Table, of_results
from .style import COLOURS, LINES, legend_below, subplots

GROUPS = {"held_out": "held-out real", "synthetic": "synthetic"}
KINDS = {"pixels": "1 - correlation after registration", "features": "distance between features"}
CHANCE = {
    "copies, pixels": "0.01",
    "copies, features": "0.01",
    "nearer to training": "0.5",
    "distance AUC": "0.5",
    "distance TPR": "0.01",
    "discriminator AUC": "0.5",
    "discriminator TPR": "0.01",
}


@of_results(results.privacy)
def privacy_table(run, sections):
    """Copy rates and membership attacks on every audited model with 95% intervals, below what chance gives."""
    rows, audited = {"expected of chance": CHANCE}, []
    for name, section in sections.items():
        memory, attacks = section["memorisation"], section["attacks"]
        text = {f"copies, {kind}": cell(memory[kind]["copy_rate"]) for kind in KINDS}
        text["nearer to training"] = cell(memory["pixels"]["nearer_to_training"])
        for attack, record in attacks.items():
            text |= {f"{attack} {key.upper()}": cell(record[key]) for key in ("auc", "tpr")}
        rows[name] = text
        counts = "{n} synthetic, {training} training, {held_out} held-out images".format(**memory["pixels"])
        audited.append(f"{name} ({counts})")
    table = pd.DataFrame(rows).T
    caption = (
        f"Privacy audit of {'; '.join(audited)}: 95% bootstrap intervals over patients. TPR at 1% false alarms;"
        f" {feature_classifier_of(run)}."
    )
    return Table(table[[column for column in CHANCE if column in table]].fillna("–"), "privacy", caption)


@of_results(results.privacy)
def nearest_distances(run, sections, kind="pixels"):
    """Distances of synthetic and held-out images to their nearest training image, a panel for each model.

    kind: "pixels" or "features". The dotted line is the threshold below which an image counts as a copy.
    """
    data = pd.concat([_histogram(name, section, kind) for name, section in sections.items()], ignore_index=True)
    count = data["model"].nunique()
    rows = -(-count // 2)
    figure, axes = subplots(0.5 + 1.5 * rows, rows, 2, sharex=True)
    axes = axes.ravel()
    for axis in axes[count:]:
        axis.remove()
    for axis in axes[max(count - 2, 0) : count]:  # the last of each column
        axis.tick_params(labelbottom=True)
    for axis, (name, own) in zip(axes, data.groupby("model", sort=False), strict=False):
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
    caption = (
        "Distance of synthetic and of held-out real images to the nearest training image. Left of the dotted threshold"
        " lie 1% of the held-out images."
    )
    return Figure(figure, "privacy_distances", caption, data)


def _histogram(model, section, kind):
    """A row for each group ("held_out", "synthetic") and bin from `low` to `high`, with count and density."""
    record = section["memorisation"][kind]
    edges = np.array(record["histogram"]["edges"])
    rows = []
    for group in GROUPS:
        counted = np.array(record["histogram"][group])
        density = counted / counted.sum() / np.diff(edges)
        bins = {"low": edges[:-1], "high": edges[1:], "count": counted, "density": density}
        more = {"threshold": record["threshold"], "n": record["n"]}
        rows.append(pd.DataFrame({"model": model, "group": group} | bins | more))
    return pd.concat(rows)


@of_results(results.privacy)
def attack_curves(run, sections):
    """ROC curves of the membership attacks, a panel for each attack; grey marks at most 1% false alarms."""
    curves = {
        (attack, name): pd.DataFrame(section["attacks"][attack]["roc"], columns=["fpr", "tpr"])
        for attack in ("discriminator", "distance")
        for name, section in sections.items()
        if attack in section["attacks"]
    }
    data = pd.concat(curves, names=["attack", "model", None]).reset_index(["attack", "model"]).reset_index(drop=True)
    names, attacks = list(sections), list(dict.fromkeys(data["attack"]))
    figure, axes = subplots(3.4, 1, len(attacks), sharey=True)
    chance = np.geomspace(1e-3, 1, 50)
    for axis, attack in zip(axes[0], attacks, strict=True):
        axis.axvspan(1e-3, 0.01, color="0.88", lw=0)
        axis.plot(chance, chance, color="0.4", lw=1, ls=":", label="chance")
        for name, roc in data[data["attack"] == attack].groupby("model", sort=False):
            number = names.index(name)
            look = {"color": COLOURS[number % 7], "ls": LINES[number // 7 + number % 2], "lw": 1.3}
            axis.plot(roc["fpr"], roc["tpr"], label=name, **look)
        axis.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1))
        axis.set_title(f"{attack} attack")
        axis.set_xlabel("proportion of non-members accused")
    axes[0, 0].set_ylabel("proportion of members found")
    legend_below(figure, axes[0], 4)
    caption = (
        "Membership attacks: proportion of training images that are found over proportion of other images that are"
        " wrongly accused; grey: at most 1% accused."
    )
    return Figure(figure, "privacy_attacks", caption, data)
