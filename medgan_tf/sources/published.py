"""Labels of public sets, from the tables that are published with them: `layouts.toml` names their columns."""

import re
import tomllib
from pathlib import Path, PurePosixPath
from string import Formatter

import pandas as pd

TABLES = tomllib.loads(Path(__file__).with_name("layouts.toml").read_text(encoding="utf-8"))["table"]
SEVERAL, NONE, CONTRADICTORY = "has several labels", "has no certain label", "is labelled differently by two rows"


def published_labels(folder):
    """{key: (class, patient, why it is left out)} of the tables of a known public set in a folder; {} where none is.

    A key is the name of a file, with or without folders and suffix, or of a folder. Each text may be "".
    """
    labels = {}
    for path in sorted([*folder.glob("*.csv*"), *folder.glob("*/*.csv*")]):
        try:
            columns = set(pd.read_csv(path, dtype=str, nrows=0).columns)
        except (OSError, ValueError):  # pandas' own errors are ValueErrors
            continue
        table = next((table for table in TABLES if _fits(table, columns)), None)
        if table:
            for row in pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records"):
                key, label = table["file"].format_map(row), _label(table, row)
                if labels.setdefault(key, label) != label:
                    labels[key] = "", label[1], CONTRADICTORY
    return labels


def find_label(labels, file, folder_name):
    """What `published_labels` of the folder called `folder_name` says of a file, a path relative to it; else None."""
    path = PurePosixPath(folder_name, file)
    whole = ["/".join(path.parts[start:]) for start in range(len(path.parts))]
    keys = [*whole, *(str(PurePosixPath(each).with_suffix("")) for each in whole), *path.parts[:-1]]
    return next((labels[key] for key in keys if key in labels), None)


def _fits(table, columns):
    named = {field for _, field, _, _ in Formatter().parse(table["file"]) if field} | {table.get("patient")} - {None}
    if "class" in table:
        return named | {table["class"]} <= columns
    return named <= columns and len(columns.intersection(table["one_of"])) > 1


def _label(table, row):
    """(class, patient, why it is left out) of a row."""
    if "class" in table:
        found = [each for each in re.split(r"[|,]", re.sub(r"[\[\]'\"]", "", row[table["class"]])) if each.strip()]
    else:
        found = [column for column in table["one_of"] if _is_one(row.get(column, ""))]
    reason = "" if len(found) == 1 else SEVERAL if found else NONE
    return found[0].strip() if found else "", row[table["patient"]].lower() if "patient" in table else "", reason


def _is_one(text):
    return text.strip() in ("1", "1.0")
