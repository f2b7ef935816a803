"""Public image sets by name: downloaded (and resumed after an interruption), verified, unpacked with a manifest."""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import requests
from PIL import Image
from tqdm import tqdm

from medgan_tf.datasets.manifests import IMAGE_SUFFIXES, patient_of, write_manifest

MEDMNIST = "https://zenodo.org/records/10519652/files/{}?download=1"
MEDMNIST_CITATION = "Yang et al. MedMNIST v2. Scientific Data 10:41 (2023)"


@dataclass(frozen=True)
class PublicSet:
    """Where a set comes from. digest: "algorithm:hex" as published, "" if no digest is published.

    url is "" if the publisher asks for a login: the file has to be downloaded by hand from `page`.
    """

    title: str
    file: str
    page: str
    url: str
    digest: str
    digest_source: str
    licence: str
    citation: str
    classes: tuple = ()


def _medmnist(name, size, md5, title, classes, citation):
    file = f"{name}{'' if size == 28 else f'_{size}'}.npz"
    source = "medmnist/info.py, version 3.0.2, of the MedMNIST package"
    page = "https://medmnist.com"
    citation = f"{MEDMNIST_CITATION}; {citation}"
    title = f"{title}, {size} px"
    return PublicSet(title, file, page, MEDMNIST.format(file), f"md5:{md5}", source, "CC BY 4.0", citation, classes)


_PNEUMONIA = ("PneumoniaMNIST: paediatric chest X-rays", ("normal", "pneumonia"), "Kermany et al. Cell 172 (2018)")
_BREAST = (
    "BreastMNIST: breast ultrasound",
    ("malignant", "normal_or_benign"),
    "Al-Dhabyani et al. Data in Brief 28 (2020)",
)
SETS = {
    "pneumoniamnist_28": _medmnist("pneumoniamnist", 28, "28209eda62fecd6e6a2d98b1501bb15f", *_PNEUMONIA),
    "pneumoniamnist_64": _medmnist("pneumoniamnist", 64, "8f4eceb4ccffa70c672198ea285246c6", *_PNEUMONIA),
    "pneumoniamnist_128": _medmnist("pneumoniamnist", 128, "05b46931834c231683c68f40c47b2971", *_PNEUMONIA),
    "pneumoniamnist_224": _medmnist("pneumoniamnist", 224, "d6a3c71de1b945ea11211b03746c1fe1", *_PNEUMONIA),
    "breastmnist_128": _medmnist("breastmnist", 128, "363e4b3f8d712e9b5de15470a2aaadf1", *_BREAST),
    "breastmnist_224": _medmnist("breastmnist", 224, "b56378a6eefa9fed602bb16d192d4c8b", *_BREAST),
    "kermany_chest_xray": PublicSet(
        "Chest X-ray images (pneumonia) of children, originals",
        "ChestXRay2017.zip",
        "https://data.mendeley.com/datasets/rscbjbr9sj/2",
        "",
        "",
        "",
        "CC BY 4.0",
        "Kermany, Zhang, Goldbaum. Mendeley Data V2, doi:10.17632/rscbjbr9sj.2 (2018)",
    ),
    "rsna_pneumonia": PublicSet(
        "RSNA pneumonia detection challenge 2018, DICOM",
        "rsna-pneumonia-detection-challenge.zip",
        "https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge",
        "",
        "",
        "",
        "competition rules: non-commercial research",
        "Shih et al. Radiology: Artificial Intelligence 1:e180041 (2019)",
    ),
}


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
    rows = []
    with np.load(archive) as arrays:
        for split, published in (("train", "train"), ("validation", "val"), ("test", "test")):
            images, labels = arrays[f"{published}_images"], arrays[f"{published}_labels"].ravel()
            for index, (image, label) in enumerate(zip(tqdm(images, split, leave=False), labels, strict=True)):
                file = f"{entry.classes[label]}/{split}_{index:05d}.png"
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / file)
                # patients are not published, so each image counts as its own patient; the published split is kept
                rows.append({"file": file, "class": entry.classes[label], "patient": file, "split": split})
    write_manifest(pd.DataFrame(rows), folder)


def _unpack_zip(archive, folder, entry):
    """Images get the name of their folder as class; DICOM files stay as they are, for `convert`."""
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    files = [file for file in files if "__MACOSX" not in file.parts]
    if files:
        rows = [{"file": f.as_posix(), "class": f.parent.name, "patient": patient_of(f.as_posix())} for f in files]
        write_manifest(pd.DataFrame(rows), folder)
