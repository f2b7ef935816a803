"""The transfer study: few images, from random weights and from those of another model."""

from medgan_tf import results
from medgan_tf.intervals import paired_interval, seed_interval

from .cells import METRIC_NAMES, by_metric, features_of, interval, pivoted, titled
from .saving import Figure, Table, of_results
from .style import BAND, GREY, error_bars, legend_below, marker, subplots

METRICS = ("kernel_distance", "coverage", "power_spectrum_distance")


def _summary(table):
    """A row for each arm, number of images and metric: value, low, high over the seeds."""
    rows = table.groupby(["step", "images", "metric"], sort=False)
    ends = rows.apply(seed_interval, include_groups=False).apply(list).tolist()
    named = rows[["better", "real_vs_real_low", "real_vs_real_high"]].first()
    return named.assign(**dict(zip(("value", "low", "high"), zip(*ends, strict=True), strict=True))).reset_index()


@of_results(results.ablation, "transfer")
def transfer(run, table):
    """Each metric over the number of training images, with 95% intervals over seeds; grey: real against real."""
    panels = by_metric(_summary(table), METRICS).values()
    figure, axes = subplots(2.6, 1, len(panels))
    for axis, own in zip(axes[0], panels, strict=True):
        axis.axhspan(own["real_vs_real_low"].min(), own["real_vs_real_high"].max(), zorder=0, **BAND)
        for number, (step, rows) in enumerate(own.groupby("step", sort=False)):
            places = range(len(rows))
            errors = error_bars(rows["value"], rows["low"], rows["high"])
            axis.errorbar(
                [place + 0.12 * (number - 0.5) for place in places],
                *(rows["value"], errors),
                label=step,
                ls="none",
                capsize=3,
                **marker(number),
            )
        axis.set_xticks(places, rows["images"])
        axis.set_xlim(-0.5, len(rows) - 0.5)
        axis.set_xlabel("training images")
        axis.set_title(titled(own))
    legend_below(figure, axes[0, :1])
    caption = (
        f"Trainings with few images, equally long, {' and '.join(table['step'].unique())}: mean and 95% interval over"
        f" {table['seed'].nunique()} seeds, {features_of(table.iloc[0])}; the power spectrum needs no features. {GREY}"
    )
    return Figure(figure, "transfer", caption, table)


@of_results(results.ablation, "transfer")
def transfer_table(run, table):
    """The metrics of both arms for each number of images."""
    found = _summary(table[table["metric"].isin(METRICS)])
    found["column"] = [titled(found.loc[[place]]) for place in found.index]
    found["row"] = found["images"].astype(str) + " images, " + found["step"]
    shown = pivoted(found, "row", "column").loc[found["row"].unique(), found["column"].unique()]
    caption = f"Transfer study: mean and 95% interval over {table['seed'].nunique()} seeds."
    return Table(shown, "transfer", caption)


def transfer_verdict(table, metric="kernel_distance"):
    """A sentence for each number of images: what beginning with another model changes, over pairs of one seed.

    table: `results.ablation(run, "transfer")`. The intervals hold for all numbers of images together.
    """
    rows = table[table["metric"] == metric]
    steps, counts = rows["step"].unique(), rows["images"].unique()
    wide = rows.pivot(index=["images", "seed"], columns="step", values="value")
    differences = wide[steps[1]] - wide[steps[0]]
    sentences = []
    for count in counts:
        value, low, high = paired_interval(differences[count], len(counts))
        change = (
            f"{METRIC_NAMES[metric]} {interval(value, low, high)} against {steps[0]}, {len(differences[count])} seeds"
        )
        shown = "better" if high < 0 else "worse" if low > 0 else "no difference can be shown"
        sentences.append(f"{count} images, {steps[1]}: {shown} ({change}).")
    return sentences
