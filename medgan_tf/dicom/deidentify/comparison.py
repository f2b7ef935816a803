"""What became of each attribute: a file before and after, tag by tag."""

import hashlib
from pathlib import Path

import pandas as pd
from pydicom import dcmread

from medgan_tf.dicom.deidentify import table
from medgan_tf.dicom.identity import keys
from medgan_tf.dicom.pseudonyms import load_key


def compare(source, out_dir):
    """A DataFrame, one row an attribute of the first file below `source` that was de-identified into `out_dir`.

    Columns: tag, name, the table's action ("" where it has none), and before and after as text. It quotes the source,
    so show it where the source may be shown. Raises ValueError where no file of the one is in the other.
    """
    for path in sorted(path for path in Path(source).rglob("*") if path.is_file()):
        before = dcmread(path, force=True)
        found = list(Path(out_dir).glob(f"*/*/*/{_instance(path, before)}.dcm"))
        if found:
            return _rows(before, dcmread(found[0]))
    raise ValueError(f"No file of {source} is de-identified in {out_dir}: run deidentify on it first.")


def _instance(path, dataset):
    return keys(dataset, hashlib.sha256(path.read_bytes()).hexdigest(), load_key())["instance"]


def _rows(before, after):
    rows = []
    for tag in sorted(set(before.keys()) | set(after.keys())):
        rule = table.rule(tag)
        known = before[tag] if tag in before else after[tag]
        rows.append(
            {
                "tag": str(tag),
                "name": known.name,
                "action": rule.action if rule else "",
                "before": _text(before, tag),
                "after": _text(after, tag),
            }
        )
    return pd.DataFrame(rows).set_index("tag")


def _text(dataset, tag):
    return dataset[tag].repval[:60] if tag in dataset else ""
