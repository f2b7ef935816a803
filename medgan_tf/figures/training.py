"""Figures of trainings, from the log.csv beside each model, and of the search for recipes."""

from pathlib import Path

import pandas as pd

from .cells import METRIC_NAMES, MODEL_NAMES, feature_classifier_of, listed, sentence
from .saving import Figure, Table
from .style import COLOURS, LINES, in_style, legend_below, log_scale, marker, subplots

OVER_TRAINING = ("kernel_distance", "frechet_distance", "recall", "coverage")
OVERFITTING = {
    "overfitting": "overfitting",
    "validation_distance": "distance to validation images",
    "augmentation_probability": "probability of augmentation",
}


def _logs(run, models):
    """The logs of a run's models as one table, the model in its first column; models without a log are left out."""
    paths = {model: Path(run) / "models" / model / "log.csv" for model in models}
    tables = {model: pd.read_csv(path) for model, path in paths.items() if path.exists()}
    return pd.concat(tables, names=["model", None]).reset_index("model").reset_index(drop=True)


@in_style
def training_curves(run, models):
    """Losses, scores and kernel distance over the images seen, a row of panels for each model."""
    data = _logs(run, models)
    models = list(dict.fromkeys(data["model"]))
    panels = {"loss": ["discriminator_loss", "generator_loss"], "score": ["real_score", "fake_score"]}
    if "kernel_distance" in data:
        panels["kernel distance"] = ["kernel_distance"]
    figure, axes = subplots(1.9 * len(models), len(models), len(panels))
    for row, (model, own) in zip(axes, data.groupby("model", sort=False), strict=True):
        own = own.dropna(axis="columns", how="all")
        for axis, (title, columns) in zip(row, panels.items(), strict=True):
            for column in (column for column in columns if column in own):
                axis.plot(own["kimg"], own[column], label=column.split("_")[0])
            axis.set_title(f"{model}: {title}" if axis is row[0] else title)
            axis.set_xlabel("thousand images seen")
            if len(columns) > 1:
                axis.legend(fontsize=7)
        if "kernel_distance" in own and (own["kernel_distance"] > 0).all():
            log_scale(row[-1].yaxis)
    caption = (
        f"{sentence(listed([MODEL_NAMES.get(model, model) for model in models]))}: losses, mean scores of real and"
        f" generated images, and kernel distance to training images ({feature_classifier_of(run)})."
    )
    return Figure(figure, f"{models[0]}_training", caption, data)


@in_style
def over_training(run, models, name="models_over_training"):
    """Distances, recall and coverage of training images, over the images seen and over the time of the training.

    Logs of earlier versions may lack some of these. Times compare only where each training had the machine to itself.
    """
    logs = _logs(run, models)
    logs["minutes"] = logs.groupby("model", sort=False)["seconds"].cumsum() / 60
    measures = [measure for measure in OVER_TRAINING if measure in logs]
    data = logs.melt(["model", "kimg", "minutes"], measures, "measure").dropna(subset="value")
    models = list(dict.fromkeys(logs["model"]))
    figure, axes = subplots(1.5 * len(measures) + 0.4, len(measures), 2, sharey="row", sharex="col")
    for row, measure in zip(axes, measures, strict=True):
        logged = data[data["measure"] == measure]
        for axis, column in zip(row, ("kimg", "minutes"), strict=True):
            for model, states in logged.groupby("model", sort=False):
                axis.plot(
                    states[column],
                    states["value"],
                    label=MODEL_NAMES.get(model, model),
                    ms=3,
                    **marker(models.index(model)),
                )
            if measure.endswith("distance") and (logged["value"] > 0).all():
                log_scale(axis.yaxis)
        row[0].set_ylabel(METRIC_NAMES[measure])
    for axis, label in zip(axes[-1], ("thousand images seen", "minutes of training"), strict=True):
        axis.set_xlabel(label)
    legend_below(figure, axes[:1, 0], len(models))
    caption = (
        f"{sentence(listed([METRIC_NAMES[measure] for measure in measures]))} of generated against training images"
        f" during each training; {feature_classifier_of(run)}."
    )
    return Figure(figure, name, caption, data)


@in_style
def overfitting(run, models, name="dcgan_few_images"):
    """How well the discriminator knows its training images by heart, over the images seen. models: {model: title}.

    The probability of augmentation is drawn where it is adaptive.
    """
    data = _logs(run, models)
    panels = {column: title for column, title in OVERFITTING.items() if column in data}
    figure, axes = subplots(2.5, 1, len(panels))
    for axis, (column, title) in zip(axes[0], panels.items(), strict=True):
        for number, (model, own) in enumerate(data.groupby("model", sort=False)):
            if own[column].notna().any():
                axis.plot(own["kimg"], own[column], label=models[model], color=COLOURS[number], ls=LINES[number % 2])
        axis.set_title(title, fontsize=8)
        axis.set_xlabel("thousand images seen")
    legend_below(figure, axes[0, :1], len(models))
    if (data["validation_distance"] > 0).all():
        log_scale(axes[0, 1].yaxis)
    caption = (
        f"Overfitting of the discriminator and kernel distance to validation images: {listed(models.values())}; one"
        f" seed, {feature_classifier_of(run)}."
    )
    return Figure(figure, name, caption, data)


@in_style
def recipes(trials):
    """Kernel distance over the images seen in every trial, a panel for each model; the unchanged recipe is black.

    trials: `results.recipes`.
    """
    models = list(dict.fromkeys(trials["model"]))
    figure, axes = subplots(3.0 * len(models), len(models))
    for axis, model in zip(axes[:, 0], models, strict=True):
        own = trials[trials["model"] == model]
        for number, (change, trial) in enumerate(own.groupby("change", sort=False)):
            base = change == "none"
            look = {"color": "black", "lw": 2.2} if base else {"color": COLOURS[number % 6], "lw": 1.1}
            line = "-" if base else LINES[number % 4]
            axis.plot(trial["kimg"], trial["kernel_distance"], line, label="recipe" if base else change, **look)
        log_scale(axis.yaxis)
        axis.set_xlabel("thousand images seen")
        axis.set_ylabel("kernel distance")
        axis.set_title(model, loc="left")
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    first, weights = trials.iloc[0], trials.groupby("model", sort=False)["weights_sha256"].first()
    caption = (
        f"Kernel distance of the averaged generator to {first['training_images']} training images of '{first['data']}'"
        f" over the images seen, one change to the recipe at a time, one seed; features {first['extractor']}"
        f" ({', '.join(f'{model}: {sha256[:8]}' for model, sha256 in weights.items())})."
    )
    return Figure(figure, "recipes", caption, trials)


def recipe_table(trials):
    """The effect of each change to a recipe: kernel distance and recall. trials: `results.recipes`.

    Means over the last quarter of the images that all trials of a model have seen (`kimg` thousand). "better" and
    "worse" mean that all distances there are below or above all of the unchanged recipe; one seed cannot tell more.
    """
    rows = {}
    for model, own in trials.groupby("model", sort=False):
        seen = own.groupby("change")["kimg"].max().min()
        last = own[own["kimg"].between(0.75 * seen, seen)]
        recipe = last.loc[last["change"] == "none", "kernel_distance"]
        for change, points in last.groupby("change", sort=False):
            distances = points["kernel_distance"]
            better, worse = distances.max() < recipe.min(), distances.min() > recipe.max()
            verdict = "better" if better else "worse" if worse else "no clear difference"
            means = {"kernel distance": round(distances.mean(), 3), "recall": round(points["recall"].mean(), 3)}
            verdict = "the recipe itself" if change == "none" else verdict
            rows[model, change] = {"kimg": seen} | means | {"against the recipe": verdict}
    caption = "Changes to the recipes: means over the last quarter of the images that all trials have seen, one seed."
    return Table(pd.DataFrame.from_dict(rows, orient="index"), "recipes", caption)
