"""results.json: the only door that numbers go through, on their way to tables, figures, report and README."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock

from medgan_tf import config
from medgan_tf.files import atomic_write_text

FILE = "results.json"
RECIPES = Path(__file__).resolve().parents[1] / "benchmarks" / "recipes.json"


def read(run_dir):
    """All sections of a run, {} where nothing was measured yet. Raises ValueError for a damaged file."""
    path = Path(run_dir) / FILE
    if not path.exists():
        return {}
    try:
        return config.read_record(path)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run the notebooks again.") from error


def write(run_dir, section, content):
    """Replace one section, for example "quality/dcgan"; the others stay, also what other processes write meanwhile.

    NumPy numbers become plain ones.
    """
    path = Path(run_dir) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{FILE}.lock")):
        sections = read(run_dir) | {section: content}
        atomic_write_text(path, json.dumps(sections, indent=2, default=_plain))


def quality(run_dir, kind="quality"):
    """Every metric of every model in the sections "kind/model": one row each, in the order of measurement."""
    return pd.DataFrame(
        {"model": name, "metric": metric} | record
        for name, section in sections(run_dir, kind).items()
        for metric, record in section["metrics"].items()
    )


def class_quality(run_dir):
    """Every metric of every model class by class, one row each; classes with too few images have no row."""
    return pd.DataFrame(
        {"model": name, "class": label, "metric": metric} | record
        for name, section in sections(run_dir, "classes").items()
        for label, records in section.items()
        if "too_few" not in records
        for metric, record in records.items()
    )


def agreement(run_dir):
    """How often the judge names the class that was asked for: one row a model and class."""
    return pd.DataFrame(
        {"model": name, "class": label} | record
        for name, section in sections(run_dir, "agreement").items()
        for label, record in section.items()
    )


def rules(run_dir):
    """What the reader of phantoms found: one row a model, class and rule; shares of nothing have no row."""
    return pd.DataFrame(
        {"model": name, "class": label, "rule": rule} | record
        for name, section in sections(run_dir, "rules").items()
        for label, records in section.items()
        for rule, record in records.items()
        if record["n"]
    )


def canonical(run_dir, part):
    """One part of the canonical statistics, "metrics", "broken", "prevalence", "lesions" or "tests": a row a model and
    `name`. Records without a value, since nothing of the kind was there to measure, have no row.
    """
    return pd.DataFrame(
        {"model": model, "name": name} | record
        for model, section in sections(run_dir, "canonical").items()
        for name, record in section[part].items()
        if record.get("value", record.get("p")) is not None
    )


def curves(run_dir):
    """{set: its power spectrum and autocorrelation} of the real images and every model, in the order of measurement."""
    return sections(run_dir, "curves")


def sensitivity(run_dir):
    """Every metric under every damage of real images: one row each; empty where this was not measured."""
    return pd.DataFrame(read(run_dir).get("sensitivity", []))


def ablation(run_dir):
    """Every metric of every step and seed of the ablation, one row each."""
    return pd.DataFrame(
        {"step": section["step"], "seed": section["seed"], "metric": metric} | record
        for _, section in sections(run_dir, "ablation").items()
        for metric, record in section["metrics"].items()
    )


def equivariance(run_dir):
    """EQ-T, EQ-T_frac and EQ-R of every generator, trained or not: one row each."""
    return pd.DataFrame(
        {"model": name, "metric": metric} | record
        for name, section in sections(run_dir, "equivariance").items()
        for metric, record in section.items()
    )


def augmentation(run_dir, part="comparisons"):
    """What the augmentation study found with every model, one row each: part "arms", "comparisons" or "curve"."""
    return pd.DataFrame(
        {"model": name} | record
        for name, section in sections(run_dir, "augmentation").items()
        for record in section[part]
    )


def recipes():
    """The trials of the recipe search that benchmarks/recipes.py made: one row a trial and measured point."""
    search = json.loads(RECIPES.read_text())["trials"]
    series = ["kimg", "kernel_distance", "validation_distance", "recall"]
    shown = ["model", "change", "data", "extractor", "weights_sha256", "training_images", *series]
    return pd.DataFrame([{name: trial[name] for name in shown} for trial in search]).explode(series, ignore_index=True)


def privacy(run_dir):
    """{model: what the privacy audit found}, in the order of the audits."""
    return sections(run_dir, "privacy")


def outliers(run_dir):
    """How far out the images of every model lie: one row a model, `metrics.outlier_record` with its name."""
    return pd.DataFrame({"model": name} | record for name, record in sections(run_dir, "outliers").items())


def comparison(run_dir):
    """What `comparison.summarise` found, one row for each run, model and metric."""
    return pd.DataFrame(read(run_dir)["comparison"])


def sections(run_dir, kind):
    """{name: content} of the sections "kind/name", in the order of measurement."""
    prefix = f"{kind}/"
    return {name.removeprefix(prefix): part for name, part in read(run_dir).items() if name.startswith(prefix)}


def environment():
    """What the numbers depend on besides the settings: machine and library versions, without any host name."""
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    packages = ("medgan-tf", "tensorflow", "keras", "numpy", "pydicom", "scikit-image", "scikit-learn")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": [gpu.get("device_name", "GPU") for gpu in gpus],
        "packages": {name: metadata.version(name) for name in packages},
    }


def _plain(value):
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"results.json takes plain values, not {type(value).__name__}.")
