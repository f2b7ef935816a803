"""What became of each attribute: the header of a file before and after, tag by tag."""

import hashlib
from pathlib import Path

import pandas as pd
from pydicom import dcmread

from medgan_tf.dicom.deidentify import table
from medgan_tf.dicom.header import Header
from medgan_tf.dicom.pseudonyms import load_key, pseudonyms_of


def compare(source, out_dir):
    """Return a DataFrame of the first file below `source` that was de-identified into `out_dir`, one row per attribute.

    Columns: tag, name, the table's action ("" where it has none), and before and after as text. It quotes the source,
    so show it only where the source may be shown. Raises ValueError where no file of `source` is in `out_dir`.
    """
    for path in sorted(path for path in Path(source).rglob("*") if path.is_file()):
        before = dcmread(path, force=True)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        instance = pseudonyms_of(Header.of(before), sha256, load_key())["instance"]
        found = list(Path(out_dir).glob(f"*/*/*/{instance}.dcm"))
        if found:
            return _compare(before, dcmread(found[0]))
    raise ValueError(f"No file of {source} is de-identified in {out_dir}: run deidentify on it first.")


def _compare(before, after):
    tags, rows = sorted(set(before.keys()) | set(after.keys())), []
    for tag in tags:
        rule = table.rule(tag)
        rows.append(
            {
                "tag": str(tag),
                "name": (before[tag] if tag in before else after[tag]).name,
                "action": rule.action if rule else "",
                "before": _text(before, tag),
                "after": _text(after, tag),
            }
        )
    return pd.DataFrame(rows).set_index("tag")


def _text(dataset, tag):
    return dataset[tag].repval[:60] if tag in dataset else ""
