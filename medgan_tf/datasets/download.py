"""Public image sets by name: downloaded (and resumed after an interruption), verified, unpacked with a manifest."""

import hashlib
import shutil
import tomllib
import zipfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import requests
from PIL import Image
from tqdm import tqdm

from medgan_tf.datasets.manifests import write_manifest


@dataclass(frozen=True)
class PublicSet:
    """Where a set comes from."""

    title: str
    file: str
    page: str
    licence: str
    citation: str
    url: str = ""  # "" if the publisher asks for a login: the file has to be downloaded by hand from `page`
    digest: str = ""  # "algorithm:hex" as published, "" if none is
    digest_source: str = ""
    classes: tuple = ()
    findings: bool = False  # each image has any number of the classes


def _read(file):
    return tomllib.loads(Path(__file__).with_name(file).read_text(encoding="utf-8"))


def _medmnist(name, title, licence, citation, md5, **entry):
    """(name, PublicSet) of one MedMNIST+ set for each of its sizes."""
    for size, digest in md5.items():
        file = f"{name}.npz" if size == "28" else f"{name}_{size}.npz"
        yield (
            f"{name}_{size}",
            PublicSet(
                title=f"{title}, {size} px",
                file=file,
                page="https://medmnist.com",
                licence=licence,
                citation=f"Yang et al. MedMNIST v2. Scientific Data 10:41 (2023); {citation}",
                url=f"https://zenodo.org/records/10519652/files/{file}?download=1",
                digest=f"md5:{digest}",
                digest_source="medmnist/info.py, version 3.0.2, of the MedMNIST package",
                **entry,
            ),
        )


SETS = dict(chain.from_iterable(_medmnist(name, **entry) for name, entry in _read("medmnist.toml").items()))
SETS |= {name: PublicSet(**entry) for name, entry in _read("public_sets.toml").items()}


def fetch(name, folder):
    """Download the file of a set into `folder` if it is not there, verify and unpack it; return its image folder.

    Raises ValueError for an unknown name or a file other than the published one, and ConnectionError, which says which
    file to put where, if it cannot be downloaded.

    >>> download.fetch("pneumoniamnist_64", "data")
    """
    if name not in SETS:
        raise ValueError(f"There is no public set '{name}'; choose one of {', '.join(SETS)}.")
    entry, folder = SETS[name], Path(folder)
    target, archive = folder / name, folder / entry.file
    if target.is_dir():
        return target
    if not archive.exists():
        _download(entry, archive)
    _verify(entry, archive)
    unfinished = folder / f".unfinished-{name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    (_unpack_npz if archive.suffix == ".npz" else _unpack_zip)(archive, unfinished, entry)
    (unfinished / "CITATION.txt").write_text(f"{entry.title}\n{entry.page}\n{entry.licence}\n{entry.citation}\n")
    unfinished.replace(target)
    return target


def _download(entry, archive):
    by_hand = f"Download {entry.file} from {entry.page} and put it at {archive}; then run this again."
    if not entry.url:
        raise ConnectionError(f"{entry.title} has no direct download. {by_hand}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_name(archive.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    try:
        with requests.get(entry.url, headers={"Range": f"bytes={have}-"}, stream=True, timeout=30) as answer:
            if answer.status_code != requests.codes.requested_range_not_satisfiable:  # otherwise the file is complete
                answer.raise_for_status()
                resumed = answer.status_code == requests.codes.partial_content
                total = int(answer.headers.get("Content-Length", 0)) + have * resumed
                with (
                    part.open("ab" if resumed else "wb") as file,
                    tqdm(desc=entry.file, total=total, initial=have * resumed, unit="B", unit_scale=True) as bar,
                ):
                    for chunk in answer.iter_content(1 << 14):
                        bar.update(file.write(chunk))
    except requests.RequestException as error:
        raise ConnectionError(f"{entry.file} could not be downloaded ({type(error).__name__}). {by_hand}") from error
    part.replace(archive)


def _verify(entry, archive):
    if not entry.digest:
        return
    algorithm, _, expected = entry.digest.partition(":")
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        raise ValueError(
            f"{archive} is not the published file: its {algorithm} is {found}, {entry.digest_source} lists {expected}; "
            "delete it and run this again."
        )


def _unpack_npz(archive, folder, entry):
    """Write each image as PNG and each volume as NIfTI, and a manifest of images with the published splits.

    Patients are not published, so each image counts as its own. Where images have several findings, the class is the
    one, "several_findings" or "no_finding", and a column for each finding holds 0 or 1.
    """
    rows = []
    with np.load(archive) as arrays:
        for split, published in (("train", "train"), ("validation", "val"), ("test", "test")):
            images, labels = arrays[f"{published}_images"], arrays[f"{published}_labels"]
            for index, (image, found) in enumerate(zip(tqdm(images, split, leave=False), labels, strict=True)):
                name = _class_of(found, entry)
                is_volume = image.ndim == 3 and image.shape[-1] != 3
                place = f"{split}/{name}" if is_volume else name
                file = f"{place}/{split}_{index:05d}{'.nii.gz' if is_volume else '.png'}"
                (folder / place).mkdir(parents=True, exist_ok=True)
                if is_volume:
                    nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), folder / file)
                    continue
                Image.fromarray(image).save(folder / file)
                findings = dict(zip(entry.classes, found, strict=True)) if entry.findings else {}
                rows.append({"file": file, "class": name, "patient": file, "split": split} | findings)
    if rows:
        write_manifest(pd.DataFrame(rows), folder)


def _class_of(found, entry):
    """The class of the labels (k,) of one image."""
    if not entry.findings:
        return entry.classes[int(found[0])]
    several = [entry.classes[place] for place in np.flatnonzero(found)]
    return several[0] if len(several) == 1 else "several_findings" if several else "no_finding"


def _unpack_zip(archive, folder, entry):
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
