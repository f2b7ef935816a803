"""Which settings help: one change at a time to the CPU recipe of a model, each trained alike on the images of a run.

python benchmarks/recipes.py RUN [--models cgan stylegan2] [--kimg 24.576] [--json benchmarks/recipes.json]

RUN is a run whose first notebook is done: its images and its domain classifier serve. Every trial is trained in
outputs/RUN/recipes/, goes on where it was interrupted, and is kept with its settings and its kernel distance over the
images seen. That distance is to training images, of which there are many: it ranks recipes and measures no model.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from medgan_tf import config, datasets, metrics, results, training

CHANGES = {
    "cgan": [
        {},
        {"decay_kimg": 8.0},
        {"generator_learning_rate": 2e-4, "discriminator_learning_rate": 2e-4},
        {"generator_learning_rate": 8e-4, "discriminator_learning_rate": 8e-4},
        {"beta_1": 0.5},
        {"discriminator_steps": 5},
        {"batch_size": 32},
        {"ema_kimg": 1.0},
        {"network": {"base_filters": 64}},
        {"network": {"residual": True}},
    ],
    "stylegan2": [
        {},
        {"decay_kimg": 8.0},
        {"penalty_weight": 0.0125},
        {"penalty_weight": 0.2},
        {"generator_learning_rate": 1.25e-3, "discriminator_learning_rate": 1.25e-3},
        {"generator_learning_rate": 5e-3, "discriminator_learning_rate": 5e-3},
        {"network": {"channel_base": 2048, "channel_max": 128}},
        {"augmentation": {"target": 0.6, "adjust_kimg": 50.0}},
    ],
}


def main():
    """Train what is not trained yet, and keep each trial as it ends."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="name of a run under outputs/")
    parser.add_argument("--models", nargs="+", choices=list(CHANGES), default=list(CHANGES))
    parser.add_argument("--kimg", type=float, default=24.576, help="length of each trial")
    parser.add_argument("--threads", type=int, default=0, help="of TensorFlow; 0: all cores")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("recipes.json"))
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(options.threads, 1))
    run = config.find_run(options.run)
    data = datasets.load(run.images, run.profile.image_size)
    feature_classifier = metrics.load_classifier(run.feature_classifier)
    kept = json.loads(options.json.read_text())["trials"] if options.json.exists() else []
    kept = {(trial["model"], trial["change"]): trial for trial in kept}
    trials = [(model, changes) for model in options.models for changes in CHANGES[model]]
    for model, changes in tqdm(trials, unit="trial"):
        base = run.profile.training(model, kimg=options.kimg, kimg_per_epoch=options.kimg / 12)
        network = base.network | changes.get("network", {})
        settings = dataclasses.replace(base, **changes | {"network": network})
        change = ", ".join(f"{name} {value}" for name, value in flat(changes).items()) or "none"
        folder = run.directory / "recipes" / f"{model} {change}".replace(" ", "_").replace(",", "")
        gan = training.build(settings, data.image_size, len(data.classes))
        record = training.fit(gan, settings, data, folder, extractor=feature_classifier)
        log = pd.read_csv(folder / "log.csv")
        kept[model, change] = {
            "model": model,
            "change": change,
            "data": data.name,
            "training_images": len(data.train),
            "extractor": feature_classifier.name,
            "weights_sha256": feature_classifier.weights_sha256,
            "kimg": list(log["kimg"]),
            "kernel_distance": list(log["kernel_distance"]),
            "validation_distance": list(log["validation_distance"]),
            "recall": list(log["recall"]),
            "seconds": record["seconds"],
            "settings": record["settings"],
        }
        content = {"environment": results.environment(), "trials": list(kept.values())}
        options.json.write_text(json.dumps(content, indent=1))
    print(table(list(kept.values())).to_string(index=False))


def flat(changes):
    """The changes with those inside of dictionaries in the outer one's place; two equal learning rates are one."""
    changes = {
        name: value
        for outer, change in changes.items()
        for name, value in (change.items() if isinstance(change, dict) else [(outer, change)])
    }
    if "discriminator_learning_rate" in changes:
        changes = {"learning_rate": changes["discriminator_learning_rate"]}
    return changes


def table(trials):
    """A row a trial: what was changed, and the mean of the last three distances."""
    return pd.DataFrame(
        {
            "model": trial["model"],
            "change": trial["change"],
            "kernel distance": round(sum(trial["kernel_distance"][-3:]) / 3, 4),
            "recall": round(sum(trial["recall"][-3:]) / 3, 3),
            "seconds": round(trial["seconds"]),
        }
        for trial in trials
    )


if __name__ == "__main__":
    main()
