"""Every figure and table: one size, one font, colours that survive grey printing and colour blindness.

`save` writes a figure as PNG and PDF with its caption and the data behind it, and enters it in figures/index.json.
Numbers come from results.json; values are shown with their 95% interval.
"""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from medgan_tf.networks.sampling import tile

WIDTH = 6.3  # inches: the text width of an A4 thesis
SAMPLE_ROWS = 4  # of the grids that callbacks.SampleGrid draws
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito 2008
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=COLOURS, linestyle=["-", "--", "-.", ":", "-", "--", "-."]),
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text in the PDF
    "savefig.dpi": 200,
}
METRIC_NAMES = {
    "frechet_distance": "Fréchet distance",
    "kernel_distance": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "inception_score": "Inception score",
    "ms_ssim": "MS-SSIM in class",
}
LATEX = {"↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "é": r"\'e"}
ARROWS = {"lower": "↓", "higher": "↑", "closer to floor": "→"}


def save(figure, run_dir, name, caption, notebook, data=None):
    """Write figures/NAME.png, .pdf, .txt (caption) and, where data is a DataFrame, .csv; return the PNG to display."""
    from IPython.display import Image as Picture

    folder = Path(run_dir) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(folder / f"{name}.png")
        figure.savefig(folder / f"{name}.pdf")
    (folder / f"{name}.txt").write_text(caption + "\n")
    if data is not None:
        data.to_csv(folder / f"{name}.csv", index=False)
    index = folder / "index.json"
    entries = json.loads(index.read_text()) if index.exists() else {}
    entries[name] = {"caption": caption, "notebook": notebook, "run": Path(run_dir).name}
    index.write_text(json.dumps(entries, indent=2, sort_keys=True))
    return Picture(folder / f"{name}.png", width=760, alt=caption)


def pick(images, count=16, seed=0):
    """A fixed random choice of images, (count, H, W, 1): the rule by which every figure draws its real examples."""
    return images[np.random.default_rng(seed).permutation(len(images))[:count]]


def grids(panels, columns=8):
    """One titled grid of images below the other, all images of each. panels: {title: (n, H, W, 1) uint8}."""
    rows = [-(-len(images) // columns) for images in panels.values()]
    cell = WIDTH / columns
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, sum(rows) * cell + 0.3 * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=rows)[:, 0]
        for axis, (title, images) in zip(axes, panels.items(), strict=True):
            _picture(axis, tile(images, columns))
            axis.set_title(title)
    return figure


def progression(samples_dir, images=6, steps=8):
    """The same latents over the training: a column for each of `steps` grids that SampleGrid drew, a row a latent."""
    paths = sorted(Path(samples_dir).glob("kimg_*.png"))
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, steps).round().astype(int))]
    columns = []
    for path in chosen:
        picture = np.asarray(Image.open(path))
        size = picture.shape[0] // SAMPLE_ROWS
        latents = [picture[r : r + size, c : c + size] for r in range(0, len(picture), size) for c in (0, size)]
        columns.append(np.concatenate(latents[:images]))
    cell, size = WIDTH / steps, columns[0].shape[1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(cell * len(chosen), 2.5), cell * images + 0.5), layout="constrained")
        axis = figure.subplots()
        _picture(axis, np.concatenate(columns, axis=1))
        axis.set_axis_on()
        axis.set_frame_on(False)
        kimg = [f"{float(path.stem.removeprefix('kimg_')):g}" for path in chosen]
        axis.set_xticks((np.arange(len(chosen)) + 0.5) * size, kimg)
        axis.set_yticks([])
        axis.tick_params(length=0)
        axis.set_xlabel("thousand images seen")
    return figure


def training_curves(logs):
    """Losses, scores and kernel distance over the images seen. logs: {model: path of log.csv}."""
    tables = {model: pd.read_csv(path) for model, path in logs.items()}
    panels = {"loss": ["discriminator_loss", "generator_loss"], "score": ["real_score", "fake_score"]}
    if any("kernel_distance" in table for table in tables.values()):
        panels["kernel distance"] = ["kernel_distance"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.9 * len(tables)), layout="constrained")
        axes = figure.subplots(len(tables), len(panels), squeeze=False)
        for row, (model, table) in zip(axes, tables.items(), strict=True):
            for axis, (title, columns) in zip(row, panels.items(), strict=True):
                for column in (column for column in columns if column in table):
                    axis.plot(table["kimg"], table[column], label=column.split("_")[0])
                axis.set_title(f"{model}: {title}" if axis is row[0] else title)
                axis.set_xlabel("thousand images seen")
                if len(columns) > 1:
                    axis.legend(fontsize=7)
            if "kernel_distance" in table:
                row[-1].set_yscale("log" if (table["kernel_distance"] > 0).all() else "linear")
    return figure


def quality(table):
    """A panel a metric: each model's value with its interval, over the band of real against real.

    table: `results.quality` of one run. The panels name their n; the extractor belongs into the caption.
    """
    metrics = [metric for metric in METRIC_NAMES if metric in set(table["metric"])]
    models = list(dict.fromkeys(table["model"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.6 * -(-len(metrics) // 2)), layout="constrained")
        axes = figure.subplots(-(-len(metrics) // 2), 2, squeeze=False).ravel()
        for axis in axes[len(metrics) :]:
            axis.remove()
        for axis, metric in zip(axes, metrics, strict=False):
            rows = table[table["metric"] == metric].set_index("model").loc[models]
            axis.axvspan(rows["floor_low"].min(), rows["floor_high"].max(), color="0.85", lw=0)
            axis.axvline(rows["floor"].iloc[0], color="0.4", lw=1, ls=":")
            for place, (_, row) in enumerate(rows.iterrows()):
                errors = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
                axis.errorbar(row["value"], place, xerr=errors, fmt="o", capsize=3, color=COLOURS[place % 7], ls="")
            axis.set_yticks(range(len(models)), models)
            axis.set_ylim(len(models) - 0.5, -0.5)
            axis.set_title(f"{METRIC_NAMES[metric]} {ARROWS[rows['better'].iloc[0]]}  (n = {rows['n'].iloc[0]})")
            if metric == "frechet_distance":
                axis.set_xscale("log")
            else:
                axis.locator_params(axis="x", nbins=5)
    return figure


def quality_table(table):
    """A row a metric, "value [low, high]" of real against real and of each model in columns; a DataFrame."""
    metrics = [metric for metric in METRIC_NAMES if metric in set(table["metric"])]
    columns = {}
    for model, records in table.groupby("model", sort=False):
        records = records.set_index("metric").loc[metrics]
        index = [f"{METRIC_NAMES[metric]} {ARROWS[record['better']]}" for metric, record in records.iterrows()]
        for name, keys in (
            ("real against real", ["floor", "floor_low", "floor_high"]),
            (model, ["value", "low", "high"]),
        ):
            columns.setdefault(name, pd.Series([_interval(*row) for row in records[keys].to_numpy()], index))
    return pd.DataFrame(columns)


def save_table(table, run_dir, name, caption):
    """Write tables/NAME.tex (booktabs) and NAME.csv; return the table."""
    folder = Path(run_dir) / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv")
    text = table.to_latex(
        caption=caption, label=f"tab:{name}", position="htbp", column_format="l" + "r" * table.shape[1]
    )
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    (folder / f"{name}.tex").write_text("% needs \\usepackage{booktabs}\n" + text)
    return table


def _interval(value, low, high):
    """Three significant digits of the larger end, the same decimals throughout."""
    largest = max(abs(low), abs(high))
    decimals = int(np.clip(2 - np.floor(np.log10(largest)), 0, 6)) if largest else 2
    return f"{value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def _picture(axis, picture):
    height, width = picture.shape
    limits = {"vmin": 0, "vmax": np.iinfo(picture.dtype).max, "extent": (0, width, height, 0)}
    axis.imshow(picture, cmap="gray", interpolation="nearest", **limits)
    axis.set_axis_off()
