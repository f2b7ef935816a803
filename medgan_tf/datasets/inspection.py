"""What folders hold, before any work: classes, splits, patients, and what is left out and why."""

from collections import Counter
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from medgan_tf import dicom, volumes

from .manifests import survey


class Inspection:
    """What `inspect` found. images: a row for each image to be used; left_out: {reason: number of files}."""

    def __init__(self, images, left_out):
        self.images, self.left_out = images, left_out

    def counts(self):
        """Images and patients of each class, in each split where folders or a manifest give one."""
        groups = self.images.replace({"split": {"": "not split yet"}}).groupby(["source", "kind", "class", "split"])
        return groups["patient"].agg(images="size", patients="nunique")

    def __str__(self):
        left_out = "; ".join(f"{count}: {reason}" for reason, count in sorted(self.left_out.items()))
        return f"{self.counts().to_string()}\nLeft out: {left_out or 'nothing'}."

    def _repr_html_(self):
        return self.counts().to_html() + f"<p>{str(self).splitlines()[-1]}</p>"


def inspect(folders, labels=None):
    """An `Inspection` of folders as the first notebook would use them; reads no pixels, writes nothing.

    labels: as in `dicom.convert`. Raises what converting or reading the folders would raise before any work.
    """
    tables, unused = [], Counter()
    for folder in map(Path, folders):
        if dicom.holds_dicom(folder):
            found, reasons = _dicom(folder, labels)
        elif volumes.holds_volumes(folder):
            found, reasons = _volumes(folder)
        else:
            found, reasons = _pictures(folder, labels)
        tables.append(found.assign(source=folder.name))
        unused += reasons
    return Inspection(pd.concat(tables, ignore_index=True), dict(unused))


def _dicom(folder, labels):
    rows, unused = [], Counter()
    places = dicom.find_files([folder], folder / "no output", labels)
    for path, place in tqdm(places.items(), "Reading headers", unit="file", leave=False):
        header = None if place.left_out else dicom.identity(path)
        if header is None:
            unused[place.left_out or f"is not DICOM ({Path(path).suffix or 'without suffix'})"] += 1
        elif kind := dicom.other_kind(header):
            unused[f"is {kind}"] += 1
        elif place.class_name == "":
            unused["has no class in the labels"] += 1
        else:
            patient = str(header.get("PatientID") or path)
            class_name = "by patient" if place.class_name is None else place.class_name
            rows.append({"kind": "DICOM", "class": class_name, "patient": patient, "split": place.split})
    return pd.DataFrame(rows, columns=["kind", "class", "patient", "split"]), unused


def _volumes(folder):
    found, unused = volumes.find_files([folder])
    rows = [
        {"kind": "volume", "class": each.class_name, "patient": each.subject, "split": each.split}
        for each in found.values()
    ]
    return pd.DataFrame(rows), Counter(unused.values())


def _pictures(folder, labels):
    if labels:
        raise ValueError(
            f"{folder} holds pictures, whose classes are those of their folders or of a manifest.csv with file, class,"
            " patient: --labels is for DICOM."
        )
    table, unused = survey(folder)
    return table.assign(kind="picture"), Counter(unused.values())
