"""Figures and tables of conditional models: the ablation, label agreement, classes and attention."""

from itertools import pairwise

import numpy as np
import pandas as pd

from medgan_tf import results
from medgan_tf.intervals import seed_interval
from medgan_tf.sources import displayed

from .cells import METRIC_NAMES, by_metric, features_of, interval, titled
from .images import draw, grids
from .panels import by_class
from .saving import Figure, Table, of_results
from .style import BAND, COLOURS, WIDTH, error_bars, in_style, subplots

ABLATION = ("kernel_distance", "frechet_distance", "recall", "coverage", "label_agreement")
HATCHES = ("", "//", "..", "xx")  # in case the colours print alike
REAL = "real, held out"


@of_results(results.table, "agreement")
def label_agreement(run, table):
    """How often an independent classifier names the requested class, class by class and model by model."""
    n = table[table["class"] == "mean"].set_index("model")["n"]
    caption = (
        "Proportion of images in which an independent classifier names the requested class, with 95% intervals, of real"
        f" images over patients; n = {n.drop(REAL, errors='ignore').max()} generated images of each model and"
        f" {n.get(REAL, 0)} real images. Dotted: chance."
    )
    return Figure(by_class({"named as requested": table}), "cgan_agreement", caption, table)


@of_results(results.ablation)
def ablation_table(run, table):
    """The steps of the ablation, one row each."""
    return _of_steps(table, "ablation", "Ablation, each step with one part more", ABLATION)


@of_results(results.ablation, "features")
def features_table(run, table):
    """What a projected discriminator looks through, one row for each kind of features."""
    title = "Discriminators that look through different features, trained on as many images"
    return _of_steps(table, "projected_features", title, (*ABLATION, "power_spectrum_distance"))


def _of_steps(table, name, title, metrics):
    """A Table with one row for each step.

    With three seeds or more a cell is the mean over seeds with its 95% t interval, else the value of one seed with its
    interval over half-splits, which does not include how much another seed would differ.
    """
    text = {}
    for own in by_metric(table, metrics).values():
        steps = own.groupby("step", sort=False)
        text[titled(own)] = {step: interval(*seed_interval(rows)) for step, rows in steps}
    first = table.iloc[0]
    caption = (
        f"{title}; {table['seed'].nunique()} seed(s), {first['patients']:.0f} held-out"
        f" patients, n = {first['n']} images a side, {features_of(first)}. Real against real: kernel distance"
        f" {first['real_vs_real']:.3g}."
    )
    return Table(pd.DataFrame(text), name, caption)


def ablation_verdict(table, metric="kernel_distance", against=None):
    """One sentence for each step: whether it helped here, by whether the two 95% intervals are apart.

    table: `results.ablation`, or any `results.quality` with a column step. against: the step that all others are
    compared with; by default each is compared with the one before it.
    """
    steps = {step: seed_interval(rows) for step, rows in table[table["metric"] == metric].groupby("step", sort=False)}
    pairs = pairwise(steps.items())
    if against:
        pairs = [((against, steps[against]), other) for other in steps.items() if other[0] != against]
    sentences = []
    for (before, old), (step, new) in pairs:
        change = f"{interval(*old)} to {interval(*new)}"
        if new[2] < old[1]:
            sentences.append(f"{step}: the {METRIC_NAMES[metric]} falls against {before}, from {change}.")
        elif new[1] > old[2]:
            sentences.append(f"{step}: the {METRIC_NAMES[metric]} rises against {before}, from {change}.")
        else:
            sentences.append(f"{step}: no difference from {before} can be shown; {change}, the intervals overlap.")
    return sentences


@of_results(results.ablation)
def ablation(run, table):
    """Bars for each step of the ablation, with 95% intervals, over the grey band of real against real."""
    panels = by_metric(table, ("kernel_distance", "coverage", "label_agreement")).values()
    steps = list(table["step"].unique())
    figure, axes = subplots(2.4, 1, len(panels))
    for axis, own in zip(axes[0], panels, strict=True):
        if "real_vs_real_low" in own and own["real_vs_real_low"].notna().any():
            axis.axhspan(own["real_vs_real_low"].min(), own["real_vs_real_high"].max(), zorder=0, **BAND)
        for place, step in enumerate(steps):
            value, *ends = seed_interval(own[own["step"] == step])
            look = {"color": COLOURS[place % 7], "edgecolor": "black", "hatch": HATCHES[place % 4], "lw": 0.5}
            axis.bar(place, value, yerr=error_bars(value, *ends), capsize=3, error_kw={"lw": 1}, **look)
        axis.set_xticks(range(len(steps)), steps, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_title(titled(own))
    caption = (
        f"Ablation of the conditional GAN, each step with one part more. 95% intervals, {features_of(table.iloc[0])},"
        f" {table['seed'].nunique()} seed(s); grey: real against real."
    )
    return Figure(figure, "ablation", caption, table)


def class_interpolation(generator, name="cgan"):
    """Images between two latents of each class, and between the first and the last class."""
    first, *_, last = generator.classes
    panels = {f"between two latents: {label}": generator.between_latents(8, label) for label in generator.classes}
    panels[f"from {first} to {last}, two latents"] = np.concatenate(
        [generator.between_classes(first, last, 8, seed) for seed in (0, 1)]
    )
    caption = (
        "Images between two latents (spherical interpolation, seed 0), and between two classes (linear in the weights"
        " that belong to the class)."
    )
    return grids(panels, f"{name}_interpolation", caption)


@in_style
def attention(run, images, maps, queries, name="cgan"):
    """Where self-attention looks from some places: the image with the place marked, and the attention map over it.

    images: (n, H, W, 1) uint8. maps: (n, h, w, h/2, w/2), of `attention_map`. queries: (row, column) of places as
    fractions of the image. One row for each image, one column for each place; each map is scaled to its own maximum.
    """
    cell = WIDTH / (len(queries) + 1) * images.shape[1] / images.shape[2]
    figure, axes = subplots(cell * len(images) + 0.3, len(images), len(queries) + 1)
    for row, image, looks in zip(axes, images, np.asarray(maps), strict=True):
        draw(row[0], displayed(image))
        size = image.shape[:2]
        for axis, query in zip(row[1:], queries, strict=True):
            draw(axis, displayed(image))
            look = looks[tuple(int(part * length) for part, length in zip(query, looks.shape[:2], strict=True))]
            shown = {"cmap": "inferno", "interpolation": "bilinear", "extent": (0, size[1], size[0], 0)}
            axis.imshow(look, alpha=0.75 * look / look.max(), **shown)
            axis.plot(query[1] * size[1], query[0] * size[0], "+", color="#56B4E9", ms=9, mew=2)
    gamma = results.read(run)["attention"]["gamma"]["discriminator"]
    caption = (
        "Where the critic's self-attention looks from the place of the cross, over real test images (drawn at random,"
        f" seed 0); each map is scaled to its own maximum. Its weight γ is {gamma:.3f}."
    )
    return Figure(figure, f"{name}_attention", caption)
