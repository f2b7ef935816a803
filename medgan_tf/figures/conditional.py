"""Figures and tables of conditional models: label agreement, the ablation, and the rules of phantoms."""

from itertools import pairwise

import pandas as pd

from medgan_tf import results
from medgan_tf.intervals import seed_interval

from .cells import METRIC_NAMES, cells, features_of, interval, titled
from .panels import by_class, join_metrics, scatter_with_intervals
from .saving import Figure, Table, of_results
from .style import BAND, COLOURS, error_bars, subplots

ABLATION = ("kernel_distance", "frechet_distance", "recall", "coverage", "label_agreement")
HATCHES = ("", "//", "..", "xx")  # in case the colours print alike
RULES = {
    "any rule": "any rule",
    "two_lungs": "two lungs",
    "heart_left": "heart left",
    "one_finding": "one finding",
    "lesion_number": "number of lesions",
    "lesions_inside": "lesions inside",
    "lesion_size": "size of lesions",
}
REAL = "real, held out"


@of_results(results.agreement)
def label_agreement(run, table):
    """How often an independent classifier names the requested class, class by class and model by model."""
    n = table[table["class"] == "mean"].set_index("model")["n"]
    caption = (
        "Proportion of images in which an independent classifier names the requested class, with 95% intervals, of real"
        f" images over patients; n = {n.drop(REAL, errors='ignore').max()} generated images of each model and"
        f" {n.get(REAL, 0)} real images. Dotted: chance."
    )
    return Figure(by_class({"named as requested": table}), "cgan_agreement", caption, table)


@of_results(results.rules)
def phantom_rules(run, table, models=(REAL, "cgan_shuffled", "cgan", "pggan")):
    """How often each kind of lesion and a heart on the correct side is found in images of each class.

    None where the run has no phantoms.
    """
    table = table[table["model"].isin(models)]
    panels = {name.replace("_", " "): table[table["rule"] == name] for name in ("nodule", "pneumonia", "effusion")}
    panels["heart left"] = table[table["rule"] == "heart_left"]
    n = table[(table["rule"] == "heart_left") & (table["model"] != REAL)].groupby("model")["n"].sum().max()
    sections = results.read(run)
    segmenter = sections.get("segmenter") or sections["reader"]  # its name in earlier versions
    sensitivity = segmenter["findings"]["nodule"]["sensitivity"]["value"]
    caption = (
        "Proportion of images of each class in which the phantom segmenter finds a lesion of each kind, and a heart on"
        f" the patient's left, with 95% Wilson intervals; n = {n} generated images of each model. The segmenter's own"
        f" sensitivity for an image with nodules is {sensitivity:.2f}."
    )
    return Figure(by_class(panels), "cgan_rules", caption, table)


@of_results(results.ablation)
def ablation_table(run, table):
    """The steps of the ablation, one row each; None where it was not measured.

    With three seeds or more a cell is the mean over seeds with its 95% t interval, else the value of one seed with its
    interval over half-splits, which does not include how much another seed would differ.
    """
    text = {metric: {} for metric in ABLATION if metric in set(table["metric"])}
    for (step, metric), rows in table.groupby(["step", "metric"], sort=False):
        if metric in text:
            text[metric][step] = interval(*seed_interval(rows))
    better = table.drop_duplicates("metric").set_index("metric")["better"]
    first = table.iloc[0]
    caption = (
        f"Ablation, each step with one part more; {table['seed'].nunique()} seed(s), {first['patients']:.0f} held-out"
        f" patients, n = {first['n']} images a side, {features_of(first)}. Real against real: kernel distance"
        f" {first['real_vs_real']:.3g}."
    )
    return Table(
        pd.DataFrame({titled(name, better[name]): column for name, column in text.items()}), "ablation", caption
    )


def ablation_verdict(table, metric="kernel_distance"):
    """One sentence for each step: whether it helped here, by whether the two 95% intervals are apart.

    table: `results.ablation`, or any `results.quality` with a column step.
    """
    steps = {step: seed_interval(rows) for step, rows in table[table["metric"] == metric].groupby("step", sort=False)}
    sentences = []
    for (before, old), (step, new) in pairwise(steps.items()):
        change = f"{interval(*old)} to {interval(*new)}"
        if new[2] < old[1]:
            sentences.append(f"{step}: the {METRIC_NAMES[metric]} falls against {before}, from {change}.")
        elif new[1] > old[2]:
            sentences.append(f"{step}: the {METRIC_NAMES[metric]} rises against {before}, from {change}.")
        else:
            sentences.append(f"{step}: no difference from {before} can be shown; {change}, the intervals overlap.")
    return sentences


@of_results(results.ablation)
def ablation(run, table, metrics=("kernel_distance", "coverage", "label_agreement")):
    """Bars for each step of the ablation, with 95% intervals, over the grey band of real against real.

    Seeds are combined as in `ablation_table`. None where the ablation was not measured.
    """
    metrics = [metric for metric in metrics if metric in set(table["metric"])]
    steps = list(dict.fromkeys(table["step"]))
    figure, axes = subplots(2.4, 1, len(metrics))
    for axis, metric in zip(axes[0], metrics, strict=True):
        own = table[table["metric"] == metric]
        if "real_vs_real_low" in own and own["real_vs_real_low"].notna().any():
            axis.axhspan(own["real_vs_real_low"].min(), own["real_vs_real_high"].max(), zorder=0, **BAND)
        for place, step in enumerate(steps):
            value, *ends = seed_interval(own[own["step"] == step])
            look = {"color": COLOURS[place % 7], "edgecolor": "black", "hatch": HATCHES[place % 4], "lw": 0.5}
            axis.bar(place, value, yerr=error_bars(value, *ends), capsize=3, error_kw={"lw": 1}, **look)
        axis.set_xticks(range(len(steps)), steps, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_title(titled(metric, own["better"].iloc[0]))
    caption = (
        f"Ablation of the conditional GAN, each step with one part more. 95% intervals, {features_of(table.iloc[0])},"
        f" {table['seed'].nunique()} seed(s); grey: real against real."
    )
    return Figure(figure, "ablation", caption, table)


def canonical_table(run):
    """Rules and statistics of phantoms in fresh phantoms and generated images; None where the run has no phantoms."""
    parts = {part: results.canonical(run, part) for part in ("metrics", "broken", "tests")}
    if parts["broken"].empty:
        return None
    broken = parts["broken"][parts["broken"]["name"].isin(RULES)]
    columns = {"Fréchet distance ↓": parts["metrics"].query("name == 'frechet_distance'")}
    columns |= {f"% break: {RULES[rule]}": rows for rule, rows in broken.groupby("name", sort=False)}
    text = {
        title: dict(zip(rows["model"], cells(rows, 100 if title.startswith("%") else 1), strict=True))
        for title, rows in columns.items()
    }
    for name, rows in parts["tests"].groupby("name", sort=False):
        test = "χ²" if name == "prevalence" else "KS"
        text[f"{test}, {name}"] = {row.model: f"{row.statistic:.3g} ({_p(row.p)})" for row in rows.itertuples()}
    table = pd.DataFrame(text).loc[list(dict.fromkeys(parts["broken"]["model"]))].fillna("–").T
    return Table(table, "canonical", canonical_caption(parts))


def canonical_caption(parts):
    """How canonical statistics were measured. parts: {part: `results.canonical`} with "metrics" and "broken"."""
    return (
        f"Canonical statistics of {parts['broken']['n'].iloc[0]} images of each model against as many fresh phantoms,"
        " read by the phantom segmenter: per cent of images that break a rule with 95% Wilson intervals; chi-square of"
        " the classes shown and Kolmogorov-Smirnov statistics of the lesions, with p. Fréchet distance of the same"
        f" images: 95% interval over half-splits, n = {parts['metrics']['n'].iloc[0]} images a side,"
        f" {features_of(parts['metrics'].iloc[0])}."
    )


def _p(p):
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def canonical(run):
    """Three figures: rules broken over the distance of the same images, rule by rule, and the classes shown.

    An empty list where the run has no phantoms.
    """
    parts = {part: results.canonical(run, part) for part in ("metrics", "broken", "prevalence")}
    if parts["broken"].empty:
        return []
    broken = parts["broken"][parts["broken"]["name"].isin(RULES)]
    joined = join_metrics(parts["metrics"].query("name == 'frechet_distance'"), broken[broken["name"] == "any rule"])
    rules = broken.assign(**{"class": broken["name"].map(RULES)})
    classes = parts["prevalence"].rename(columns={"name": "class"})
    labels = "Fréchet distance ↓", "proportion of images that break a rule ↓"
    caption = canonical_caption(parts)
    return [
        Figure(scatter_with_intervals({labels: joined}, log_x=True), "canonical", caption, joined),
        Figure(by_class({"proportion of images that break the rule": rules}), "canonical_rules", caption, rules),
        Figure(by_class({"proportion of images that show it": classes}), "canonical_classes", caption, classes),
    ]
