"""Models beside their costs, and beside figures that others claim."""

import pandas as pd

from medgan_tf import results

from .cells import METRIC_NAMES, by_metric, cell, features_of, interval, sentence, titled
from .panels import join_metrics, scatter_with_intervals
from .saving import Figure, Table, of_results
from .style import GREY

COMPARED = ("kernel_distance", "frechet_distance", "recall", "coverage")


def comparison_table(summary):
    """Models with their costs and metrics; a star marks the best value and those that cannot be told from it.

    summary: `comparison.summarise` of one run or several; of several, each row names its run and data.
    """
    several = summary["run"].nunique() > 1
    full_names = summary["model"] + " (" + summary["run"] + ", " + summary["data"] + ")"
    summary = summary.assign(row=full_names if several else summary["model"])
    costs = summary.drop_duplicates("row").set_index("row")
    columns = {
        "seeds": costs["seeds"].astype(str),
        "kimg": costs["kimg"].map(interval),
        "minutes": (costs["seconds"] / 60).map(interval),
        "parameters, millions": (costs["parameters"] / 1e6).map(interval),
        "memory, GiB": (costs["peak_memory_mib"] / 1024).map(interval),
    }
    table = pd.DataFrame(columns)
    for own in by_metric(summary, COMPARED).values():
        table[titled(own)] = pd.Series({row["row"]: _starred(row) for row in own.to_dict("records")})
    caption = (
        "All models with their costs (kimg: thousands of real images that the training saw). A star marks the best"
        " value of a column and those that cannot be told from it: the 95% interval of the difference contains 0."
        " Values can be compared on the same data with the same features and n."
        f" {sentence(features_of(summary.iloc[0]))}, n = {summary['n'].iloc[0]} images a side in the first row."
    )
    return Table(table.fillna("–").rename_axis(index=None), "comparison", caption)


def _starred(row):
    value, space, ends = cell(row).partition(" ")
    return f"{value}{'*' if row['among_best'] else ''}{space}{ends}"


def quality_cost(summary, metric="kernel_distance"):
    """A metric over its costs: minutes, parameters and peak memory, of the models of which each was recorded.

    summary: as for `comparison_table`, of models that can be compared with each other. Times compare only where each
    training had the machine to itself. Raises ValueError where no cost of any model is known.
    """
    rows = summary[summary["metric"] == metric]
    scales = {
        "minutes of training": rows["seconds"] / 60,
        "parameters, millions": rows["parameters"] / 1e6,
        "peak memory, GiB": rows["peak_memory_mib"] / 1024,
    }
    y = titled(rows)
    panels = {
        (x, y): join_metrics(rows.assign(value=cost).dropna(subset="value")[["model", "value"]], rows)
        for x, cost in scales.items()
        if cost.notna().any()
    }
    if not panels:
        raise ValueError("results.json has no training of these models: run their notebooks before 06.")
    first = rows.iloc[0]
    caption = (
        f"{sentence(METRIC_NAMES[metric])} over the costs of the training, 95% intervals. n = {first['n']} images a"
        f" side, {features_of(first)}. {GREY}"
    )
    plot = scatter_with_intervals(panels, log_x=True, linear_to=rows["real_vs_real_high"].max())
    return Figure(plot, "quality_cost", caption, summary)


@of_results(results.section, "claims")
def claims_table(run, records):
    """Figures claimed elsewhere beside what this run measured of the same kind of model, and why they differ."""
    table = pd.DataFrame(records)
    text = table[["source", "model"]].assign(
        **{
            "claimed": [f"{row.metric} {row.claimed:g}" for row in table.itertuples()],
            "measured here": [_measured(row) for row in table.to_dict("records")],
            "not comparable because": ["; ".join(reasons) for reasons in table["reasons"]],
            "known of the claim": table["note"].fillna("–"),
        }
    )
    caption = "Figures claimed elsewhere, and what this run measured of the same kind of model, with why they differ."
    columns = "p{1.6cm}p{1.6cm}p{1.6cm}p{3cm}p{4cm}p{3cm}"
    return Table(text.set_index("source").rename_axis(index=None), "claims", caption, columns)


def _measured(row):
    if pd.isna(row["value"]):
        return "–"
    real_vs_real = f", real against real {row['real_vs_real']:.3g}" if pd.notna(row["real_vs_real"]) else ""
    n = f", n = {row['n']:.0f}" if pd.notna(row["n"]) else ""
    return f"{row['kind']}: {row['what']} {cell(row)}{real_vs_real}{n}"
