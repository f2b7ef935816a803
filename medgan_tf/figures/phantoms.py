"""Figures and tables of phantoms, whose anatomy follows known rules: which of them generated images keep."""

import pandas as pd

from medgan_tf import results

from .cells import cells, features_of
from .conditional import REAL
from .panels import by_class, join_metrics, scatter_with_intervals
from .saving import Figure, Table, of_results

RULES = {
    "any rule": "any rule",
    "two_lungs": "two lungs",
    "heart_left": "heart left",
    "one_finding": "one finding",
    "lesion_number": "number of lesions",
    "lesions_inside": "lesions inside",
    "lesion_size": "size of lesions",
}


@of_results(results.rules)
def phantom_rules(run, table, models=(REAL, "cgan_shuffled", "cgan", "pggan")):
    """How often each kind of lesion and a heart on the correct side is found in images of each class."""
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


def canonical_table(run):
    """Rules and statistics of phantoms in fresh phantoms and generated images; None where the run has no phantoms."""
    parts = {part: results.canonical(run, part) for part in ("metrics", "broken", "tests")}
    if parts["broken"].empty:
        return None
    broken = parts["broken"][parts["broken"]["name"].isin(RULES)]
    distances = parts["metrics"].query("name == 'frechet_distance'")
    text = {"Fréchet distance ↓": dict(zip(distances["model"], cells(distances), strict=True))}
    for rule, rows in broken.groupby("name", sort=False):
        text[f"% break: {RULES[rule]}"] = dict(zip(rows["model"], cells(rows, 100), strict=True))
    for name, rows in parts["tests"].groupby("name", sort=False):
        test = "χ²" if name == "prevalence" else "KS"
        text[f"{test}, {name}"] = {row.model: f"{row.statistic:.3g} ({_p(row.p)})" for row in rows.itertuples()}
    table = pd.DataFrame(text).loc[parts["broken"]["model"].unique()].fillna("–").T
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
    """A list of figures: rules broken over the distance of the same images and rule by rule, and the classes shown."""
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
