"""JSON records (model.json, run.json, results.json) of this and of earlier versions, under today's names."""

import json
from pathlib import Path

KEYS = {  # name in earlier versions: name today
    "begin": "init_from",
    "begun": "initialised_from",
    "calibration/judge": "calibration/label_classifier",
    "domain": "feature_classifier",
    "epoch_kimg": "kimg_per_epoch",
    "floor": "real_vs_real",
    "floor_distances": "real_vs_real_distances",
    "floor_high": "real_vs_real_high",
    "floor_low": "real_vs_real_low",
    "floor_n": "real_vs_real_n",
    "least_filters": "min_filters",
    "reading": "interpretation",
}
REMOVED = {  # network settings that no longer exist, with the default by which all networks are built today
    "cgan": {"embedding": 50, "conditional_norm": False, "critic_norm": "none"},
    "pggan": {"embedding": 50},
    "stylegan2": {"mixing_probability": 0.9, "clamp": 256.0, "first_size": None}
    | {"fade_kimg": 50.0, "stable_kimg": 50.0, "seed": 0},
    "stylegan3": {"clamp": 256.0},
}
VALUES = {
    "better": {"closer to floor": "closer to real"},
    "extractor": {"domain": "feature_classifier"},
    "interpretation": {
        "beyond the floor": "closer than real images are to each other",
        "the judge does not know real ones": "the classifier does not recognise real images",
        "within the floor": "as close as real images are to each other",
    },
}


def read_record(path):
    """The record in a JSON file. Raises OSError where there is none, json.JSONDecodeError where it is damaged."""
    return with_current_names(json.loads(Path(path).read_text()))


def with_current_names(record):
    """A record with the names that earlier versions used replaced; one of this version comes back as it is."""
    if isinstance(record, list):
        return [with_current_names(value) for value in record]
    if not isinstance(record, dict):
        return record
    renamed = {KEYS.get(key, key): with_current_names(value) for key, value in record.items()}
    for key, names in VALUES.items():
        if isinstance(renamed.get(key), str):
            renamed[key] = names.get(renamed[key], renamed[key])
    removed = REMOVED.get(renamed.get("architecture"), {}) if isinstance(renamed.get("network"), dict) else {}
    if removed:  # other values than the default stay, and networks.build names them
        network = renamed["network"].items()
        renamed["network"] = {key: value for key, value in network if key not in removed or value != removed[key]}
    return renamed
