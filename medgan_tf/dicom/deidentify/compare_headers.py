"""What became of each attribute: the header of a file before and after, tag by tag."""

from pathlib import Path

import pandas as pd
from pydicom import dcmread

from medgan_tf.dicom.deidentify import table
from medgan_tf.dicom.header import Header
from medgan_tf.dicom.pseudonyms import load_key, pseudonyms_of
from medgan_tf.files import sha256_of_file


def compare(source, out_dir):
    """Return a DataFrame of the first file below `source` that was de-identified into `out_dir`, one row per attribute.

    Columns: tag, name, the table's action ("" where it has none), and before and after as text. It quotes the source,
    so show it only where the source may be shown. Raises ValueError where no file of `source` is in `out_dir`.
    """
    for path in sorted(path for path in Path(source).rglob("*") if path.is_file()):
        before = dcmread(path, force=True)
        instance = pseudonyms_of(Header.of(before), sha256_of_file(path), load_key())["instance"]
        found = list(Path(out_dir).glob(f"*/*/*/{instance}.dcm"))
        if found:
            return _compare(before, dcmread(found[0]))
    raise ValueError(f"No file of {source} is de-identified in {out_dir}: run deidentify on it first.")


def _compare(before, after):
    rows = {}
    for tag in sorted(set(before.keys()) | set(after.keys())):
        rule, elements = table.rule(tag), [dataset.get(tag) for dataset in (before, after)]
        name = next(filter(None, elements)).name
        rows[str(tag)] = [name, rule.action if rule else "", *(each.repval[:60] if each else "" for each in elements)]
    return pd.DataFrame.from_dict(rows, "index", columns=["name", "action", "before", "after"]).rename_axis("tag")
