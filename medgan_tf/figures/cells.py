"""Names of metrics and models, and numbers and captions as text."""

import numpy as np
import pandas as pd

from medgan_tf import results

METRIC_NAMES = {
    "kernel_distance": "kernel distance",
    "frechet_distance": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "inception_score": "Inception score",
    "ms_ssim": "MS-SSIM",
    "frechet_distance_infinity": "Fréchet distance, infinite n",
    "power_spectrum_distance": "power spectrum, dB",
    "autocorrelation_distance": "autocorrelation",
    "intensity_distance": "intensities, grey levels",
    "copies": "copies",
    "label_agreement": "label agreement",
}
FEATURES = ("kernel_distance", "frechet_distance", "precision", "recall", "density", "coverage")
FURTHER = ("frechet_distance_infinity", "inception_score", "ms_ssim", "copies")
PIXELS = ("power_spectrum_distance", "autocorrelation_distance", "intensity_distance")
ARROWS = {"lower": "↓", "higher": "↑", "closer to real": "→"}
MODEL_NAMES = {
    "gan": "dense GAN",
    "dcgan": "DCGAN",
    "cgan": "conditional GAN",
    "cgan_longer": "conditional GAN, trained longer",
    "projected": "projected GAN, ImageNet features",
    "projected_own": "projected GAN, own features",
    "projected_random": "projected GAN, random features",
    "pggan": "progressively growing GAN",
    "stylegan2": "StyleGAN2",
    "stylegan3": "StyleGAN3-T",
    "stylegan3_r": "StyleGAN3-R",
}
ENDS = ["value", "low", "high"]


def interval(value, low=None, high=None):
    """The text "value [low, high]": three significant digits of the larger end, the same decimals throughout.

    Without ends (None or NaN) it is the value alone, and without a value a dash: a metric need not have one, as the
    autocorrelation of a generator that makes a single grey level.
    """
    if pd.isna(low):
        return "–" if pd.isna(value) else f"{value:.3g}"
    largest = max(abs(low), abs(high))
    decimals = int(np.clip(2 - np.floor(np.log10(largest)), 0, 6)) if largest else 2
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def cell(record):
    """`interval` of a record with value, low and high."""
    return interval(*(record[end] for end in ENDS))


def cells(table, factor=1):
    """`interval` of each row of a table with the columns value, low and high, multiplied by a factor."""
    return [interval(*(factor * row)) for row in table[ENDS].to_numpy(float)]


def real_cell(record):
    """`interval` of the same metric between real images, where a record has it."""
    return interval(*(record.get(f"real_vs_real{end}") for end in ("", "_low", "_high")))


def pivoted(table, index, columns):
    """The `cells` of a table by two of its columns, without their names."""
    wide = table.assign(cell=cells(table)).pivot(index=index, columns=columns, values="cell")
    return wide.rename_axis(index=None, columns=None)


def by_metric(table, metrics):
    """{metric: its rows in a table with the column metric}, of those that have any."""
    return {metric: rows for metric in metrics if len(rows := table[table["metric"] == metric])}


def titled(rows):
    """The name of the metric that rows are about, with an arrow that says which values are better."""
    first = rows.iloc[0]
    return f"{METRIC_NAMES[first['metric']]} {ARROWS[first['better']]}"


def features_of(record):
    """The features behind a metric's record, with the start of their weights' hash."""
    return f"features {record['extractor']} ({record['weights_sha256'][:8]})"


def feature_classifier_of(run):
    """The run's own features, with the start of their weights' hash where it is recorded."""
    sha256 = results.section(run, "feature_classifier").get("weights_sha256", "")
    return f"features feature_classifier ({sha256[:8]})" if sha256 else "features feature_classifier"


def measured_on(table):
    """How the metrics in a table were measured, for a caption; the table's first row stands for all."""
    row = table.iloc[0]
    patients = "the held-out images" if pd.isna(row["patients"]) else f"{row['patients']:.0f} held-out patients"
    return (
        f"mean and 95% interval over {row['repeats']} half-splits of {patients},"
        f" n = {row['n']} images a side, {features_of(row)}"
    )


def listed(names):
    """Names as in a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def sentence(text):
    """A text with a capital first letter, the others as they are."""
    return text[:1].upper() + text[1:]


def quality_cells(table, metrics=FEATURES):
    """`results.quality` as text, one row for real against real and one for each model, one column for each metric.

    metrics: names; those that were not measured have no column.
    """
    columns = {
        titled(rows): {
            "real against real": real_cell(rows.iloc[0]),
            **dict(zip(rows["model"], cells(rows), strict=True)),
        }
        for rows in by_metric(table, metrics).values()
    }
    return pd.DataFrame(columns)


def evaluation_table(records):
    """What `metrics.evaluate` measured as text: one row for each metric, and where known for each class.

    Columns: value, real against real, n, interpretation; both values with their 95% intervals.
    """
    rows = {name: record for name, record in records.items() if name != "classes"}
    leading = next(iter(rows))
    for label, measured in records.get("classes", {}).items():
        rows[f"{leading} of {label}"] = measured.get(leading, measured)
    agreed = records.get("label_agreement", {})
    rows |= {f"label_agreement of {label}": record for label, record in agreed.get("by_class", {}).items()}
    return pd.DataFrame({name: _row(record) for name, record in rows.items()}).T


def _row(record):
    if "too_few" in record:
        return {"value": "–", "real against real": "–", "n": "–", "interpretation": f"only {record['too_few']} images"}
    shown = {"value": cell(record), "real against real": real_cell(record), "n": str(record["n"])}
    return shown | {"interpretation": record["interpretation"]}
