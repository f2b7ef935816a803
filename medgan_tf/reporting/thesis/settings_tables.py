"""Tables of the methods: images and patients by split, networks, and settings of every training."""

import pandas as pd

from medgan_tf import results
from medgan_tf.figures import Table
from medgan_tf.figures.cells import interval


def settings_tables(run):
    """The Tables of a config.Run that has something to say for them."""
    sections = results.read(run)
    trainings = results.sections(run, "training")
    made = [_data(sections["data"])] if "data" in sections else []
    return made + ([_networks(trainings), _trainings(trainings)] if trainings else [])


def _data(section):
    rows = {
        label: {split: f"{counts['images']} ({counts['patients']})" for split, counts in splits.items()}
        for label, splits in section["classes"].items()
    }
    caption = (
        "Images by class and split, with the number of patients in brackets. A patient who has images of several"
        " classes is counted in each of them."
    )
    return Table(pd.DataFrame.from_dict(rows, orient="index").fillna("0 (0)"), "data", caption)


def _networks(trainings):
    rows = {
        name: {
            "architecture": training["settings"]["architecture"],
            "settings of the networks": _listed(training["settings"]["network"]) or "defaults",
            "parameters, generator": f"{training['parameters']['generator']:,}" if "parameters" in training else "–",
            "discriminator": f"{training['parameters']['discriminator']:,}" if "parameters" in training else "–",
        }
        for name, training in trainings.items()
    }
    caption = "Networks of every training: architecture, settings that are not its defaults, and trained parameters."
    return Table(_frame(rows), "networks", caption, "p{3cm}p{2cm}p{5.6cm}p{2.2cm}p{2.2cm}")


def _trainings(trainings):
    rows = {}
    for name, training in trainings.items():
        settings = training["settings"]
        rows[name] = {
            "loss": settings["loss"].replace("_", " "),
            "penalty": _penalty(settings),
            "batch": str(settings["batch_size"]),
            "D steps": str(settings["discriminator_steps"]),
            "rate of G": f"{settings['generator_learning_rate']:g}",
            "rate of D": f"{settings['discriminator_learning_rate']:g}",
            "beta 1, 2": f"{settings['beta_1']:g}, {settings['beta_2']:g}",
            "EMA, kimg": interval(settings["ema_kimg"]),
            "kimg": interval(training["kimg"]),
            "minutes": interval(training["seconds"] / 60),
            "seed": str(settings["seed"]),
            "begun with": (training.get("initialised_from") or {}).get("name") or settings["init_from"] or "random",
        }
    caption = (
        "Settings of every training. Penalty: kind, weight, and every how many steps. Batch: images in each update. D"
        " steps: discriminator updates for each generator update. Rate: learning rate of generator (G) and"
        " discriminator (D), with Adam's beta 1 and 2. EMA: half-life of the running average of the generator. kimg:"
        " thousands of real images seen."
    )
    return Table(_frame(rows), "trainings", caption)


def _penalty(settings):
    if settings["penalty"] == "none":
        return "none"
    return f"{settings['penalty']}, {settings['penalty_weight']:g}, {settings['penalty_interval']}"


def _listed(settings):
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _frame(rows):
    return pd.DataFrame.from_dict(rows, orient="index")
