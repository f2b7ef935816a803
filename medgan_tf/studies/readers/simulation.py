"""Answers of simulated readers, to test the software and to show what an analysis looks like.

They are marked in every file (source: simulated, reader: simulated 1, ...) and in every result.
"""

import numpy as np
import pandas as pd

from .answers import COLUMNS

THRESHOLDS = (0.25, 0.6, 1.0, 1.5)  # of the evidence, between confidences 1 to 5
REALISM = (-1.5, -0.5, 0.5, 1.5)  # of the evidence for synthetic, between realism 5 to 1
PLACE, SPREAD = (0.35, 0.6), 0.12  # where artefacts are marked: mean and spread as fractions of the image


def simulate_answers(kit, readers=5, separation=1.0, reader_spread=0.3, image_spread=0.5, seed=0):
    """{reader: DataFrame with the columns of a reader's file} for a kit.

    Signal detection: the evidence for synthetic has unit variance and means separation / 2 apart from 0, larger for
    synthetic images. separation spreads by reader_spread between readers; image_spread is the standard deviation of the
    part of an image's evidence that all readers share. Half of the remaining variance differs between two
    presentations of an image. With separation 0 readers guess.
    """
    random = np.random.default_rng(seed)
    sign = np.where(kit.key["kind"] == "synthetic", 0.5, -0.5)
    image = random.normal(0, image_spread, len(sign))
    own = np.sqrt(max(0.0, 1 - image_spread**2) / 2)
    tables = {}
    for number in range(1, readers + 1):
        ability = separation + random.normal(0, reader_spread)
        lasting = ability * sign + image + random.normal(0, own, len(sign))
        order = np.array(kit.settings["orders"][number % len(kit.settings["orders"])])
        evidence = lasting[order] + random.normal(0, own, len(order))
        name = f"simulated {number}"
        tables[name] = _answer_table(kit, name, order, evidence, random)
    return tables


def write_answers(tables, folder, study):
    """Write one CSV file for each reader, as the page would. folder: not the one with answers of people."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"answers_{study}_{name.replace(' ', '_')}.csv", index=False, encoding="utf-8-sig")


def _answer_table(kit, name, order, evidence, random):
    synthetic = evidence > 0
    places = np.clip(random.normal(PLACE, SPREAD, (len(order), 2)), 0, 1)
    columns = {
        "study": kit.settings["study"],
        "source": "simulated",
        "reader": name,
        "position": np.arange(1, len(order) + 1),
        "image": order,
        "answer": np.where(synthetic, "synthetic", "real"),
        "confidence": 1 + np.digitize(np.abs(evidence), THRESHOLDS),
        "realism": 5 - np.digitize(evidence, REALISM),
        "artefacts": [f"{x:.4f} {y:.4f}" if seen else "" for (x, y), seen in zip(places, synthetic, strict=True)],
        "diagnosis": "",
        "seconds": random.gamma(4, 3, len(order)).round(1),
    }
    return pd.DataFrame(columns)[list(COLUMNS)]
