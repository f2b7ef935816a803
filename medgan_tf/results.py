"""Reads and writes results.json, through which every number goes on its way to tables, figures and the report.

A section is named "kind/name", for example "quality/dcgan". `run` is everywhere a config.Run or its folder.
"""

import json
import math
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
RECIPES = config.ROOT / "benchmarks" / "recipes.json"
NO_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
LEVELS = {  # of the nested records in a section, from the outside, as columns; by default only the metric
    "agreement": ("class",),  # how often the label classifier names the requested class, and the mean over classes
    "canonical": ("name",),
    "classes": ("class", "metric"),
    "outliers": (),
    "rules": ("class", "rule"),
}


def read(run):
    """All sections of a run, {} where nothing was measured yet. Raises ValueError for a damaged file."""
    path = Path(run) / FILE
    if not path.exists():
        return {}
    try:
        return _with_numbers(config.read_record(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run the notebooks again.") from error


def write(run, section, content):
    """Replace one section, for example "quality/dcgan"; the others stay, also those that other processes write.

    NumPy numbers become plain ones. JSON has no NaN: an empty cell of a table, which is a list of rows, is left out,
    and any other NaN or infinity is its name, which `read` turns back.
    """
    path = Path(run) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{FILE}.lock")):
        plain = json.loads(json.dumps(read(run) | {section: content}, default=_plain))
        atomic_write_text(path, json.dumps(_strict(plain), indent=2, allow_nan=False))


def sections(run, kind):
    """{name: content} of the sections "kind/name", in the order of measurement."""
    prefix = f"{kind}/"
    return {name.removeprefix(prefix): part for name, part in read(run).items() if name.startswith(prefix)}


def table(run, kind, part=None):
    """The records in the sections of a kind, one row each: model, a column for each level, the record's own fields.

    Classes with too few images have no row. part: the entry of each section that holds the records.
    """
    levels, found = LEVELS.get(kind, ("metric",)), sections(run, kind).items()
    return pd.DataFrame(
        row for name, section in found for row in _rows(section[part] if part else section, levels, {"model": name})
    )


def _rows(records, levels, row):
    if not levels:
        yield row | records
    else:
        for name, inner in records.items():
            if "too_few" not in inner:
                yield from _rows(inner, levels[1:], row | {levels[0]: name})


def quality(run, kind="quality"):
    """The metrics of every model in the sections "kind/model": columns model, metric and those of a metric's record."""
    return table(run, kind, "metrics")


def rules(run):
    """How often the images of each model and class keep each rule of phantoms; proportions of nothing have no row."""
    found = table(run, "rules")
    return found[found["n"] > 0].reset_index(drop=True) if len(found) else found


def canonical(run, part):
    """One part of the canonical statistics: "metrics", "broken", "prevalence", "lesions" or "tests".

    Columns model, name and those of the records; records without a value (nothing to measure) have no row.
    """
    found = table(run, "canonical", part)
    measured = found.filter(["value", "p"]).notna().any(axis=1)
    return found[measured].reset_index(drop=True) if len(found) else found


def ablation(run, kind="ablation"):
    """The metrics of every step and seed of the ablation, or another comparison of trainings, with its fields."""
    return pd.DataFrame(
        {name: value for name, value in section.items() if name != "metrics"} | {"metric": metric} | record
        for section in sections(run, kind).values()
        for metric, record in section["metrics"].items()
    )


def augmentation(run, part="comparisons"):
    """One part of the augmentation study of every model: "arms", "comparisons" or "curve"."""
    found = sections(run, "augmentation").items()
    return pd.DataFrame({"model": name} | record for name, section in found for record in section[part])


def privacy(run):
    """{model: what the privacy audit measured}."""
    return sections(run, "privacy")


def section(run, name):
    """One section of a run, {} where this was not measured."""
    return read(run).get(name, {})


def recipes():
    """The trials of the recipe search by benchmarks/recipes.py, one row for each trial and measured point."""
    search = config.read_record(RECIPES)["trials"]
    series = ["kimg", "kernel_distance", "validation_distance", "recall"]
    shown = ["model", "change", "data", "extractor", "weights_sha256", "training_images", *series]
    return pd.DataFrame([{name: trial[name] for name in shown} for trial in search]).explode(series, ignore_index=True)


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


def _strict(value):
    """Lists, dictionaries and numbers as strict JSON has them."""
    if isinstance(value, list):
        return [_strict(_without_empty_cells(each) if isinstance(each, dict) else each) for each in value]
    if isinstance(value, dict):
        return {name: _strict(each) for name, each in value.items()}
    return value if _is_finite(value) else next(name for name, each in NO_NUMBERS.items() if str(each) == str(value))


def _without_empty_cells(row):
    return {name: cell for name, cell in row.items() if _is_finite(cell)}


def _is_finite(value):
    return not isinstance(value, float) or math.isfinite(value)


def _with_numbers(value):
    """What `_strict` wrote, with NaN and infinity."""
    if isinstance(value, list):
        return [_with_numbers(each) for each in value]
    if isinstance(value, dict):
        return {name: _with_numbers(each) for name, each in value.items()}
    return NO_NUMBERS.get(value, value) if isinstance(value, str) else value


def _plain(value):
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"results.json takes plain values, not {type(value).__name__}.")
