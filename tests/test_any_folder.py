"""Folders of every kind of mixture are used or refused in one sentence, and every file is accounted for."""

import os
import random
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dicom_samples import make, picture, write
from PIL import Image

from medgan_tf import datasets, dicom, sources
from medgan_tf.dicom import pseudonyms
from medgan_tf.files import sha256_of_file

FOLDERS = [
    "train",
    "test",
    "val",
    "Training",
    "NORMAL",
    "PNEUMONIA",
    "grade <2",
    "grade >2",
    "images",
    "masks",
    "é ü 心",
]
FOLDERS += ["patient12", "Doe^Jane", "study1", ".hidden", "a b", "labels", "DICOM", "seg"]
WRONG_MANIFESTS = [
    "file,class\n",
    "file,class,patient\nnowhere.png,a,p\n",
    "class\na\n",
    "file,class,split\n{file},a,somewhere\n",
    "file,class,patient\n{file},a,\n",
    "file,class,patient\n{file}\n",
    "file,class,patient,split\n{file},a,p,train\n{file},a,p,test\n",
    "",
    "\0\0\0",
]


def mixture(folder, seed):
    """A tree of files of many kinds, the same for the same seed."""
    draw = random.Random(seed)
    folders = [folder]
    for _ in range(draw.randrange(1, 8)):
        folders.append(draw.choice(folders) / draw.choice(FOLDERS))
    for number in range(draw.randrange(1, 25)):
        where = draw.choice(folders)
        where.mkdir(parents=True, exist_ok=True)
        kind = draw.choice(
            ["png"] * 8 + ["jpg"] * 4 + ["dcm"] * 4 * (seed % 2) + ["16", "tif", "bmp", "txt", "cut", "empty", "bytes"]
        )
        stem = draw.choice(["IM-{}-0001", "person{}_virus_1", "{}", "x {}_mask", "patient{}_2", "ä{}"]).format(number)
        pixels = picture(number, high=255, dtype=np.uint8)
        if kind in ("png", "jpg", "tif", "bmp"):
            Image.fromarray(pixels).save(where / f"{stem}.{kind}")
        elif kind == "16":
            Image.fromarray(picture(number, high=4095)).save(where / f"{stem}.png")
        elif kind == "dcm":
            write(where / f"{stem}.dcm", make(picture(number), PatientID=f"P{number // 2}", PatientName="Doe^Jane"))
        elif kind == "cut":
            Image.fromarray(pixels).save(where / f"{stem}.png")
            os.truncate(where / f"{stem}.png", 90)
        elif kind == "bytes":
            Path(os.fsdecode(os.fsencode(where) + b"/Befund_r\xf6.png")).write_bytes((pixels % 7).tobytes())
        else:
            (where / f"{stem}.txt").write_bytes(b"" if kind == "empty" else b"notes")
    real = [each for each in folders if each.is_dir()]
    for number in range(draw.choice([0, 0, 1, 2])):
        (draw.choice(real) / f"link{number}").symlink_to(
            draw.choice([*real, folder / "nowhere"]), target_is_directory=True
        )
    if draw.random() < 0.3:
        file = next((each.relative_to(folder) for each in folder.rglob("*.png")), "none.png")
        (folder / "manifest.csv").write_bytes(os.fsencode(draw.choice(WRONG_MANIFESTS).format(file=file)))


def use(folder, out_dir):
    """What the first notebook does with a folder: (what is found, the manifest of what is used)."""
    found = datasets.inspect([folder])
    if dicom.holds_dicom(folder):
        dicom.convert([folder], out_dir, image_size=16, workers=1)
        folder = out_dir
    return found, datasets.prepare([folder], out_dir)


@pytest.mark.parametrize("seed", range(int(os.environ.get("MEDGAN_TF_MIXTURES", "16"))))
def test_a_mixture_is_used_or_refused_in_one_sentence(tmp_path, monkeypatch, seed):
    monkeypatch.setenv(pseudonyms.KEY_VARIABLE, str(tmp_path / "key"))
    folder = tmp_path / "set"
    mixture(folder, seed)
    files = list(sources.walk(folder))
    try:
        with warnings.catch_warnings(action="ignore"):
            found, manifest = use(folder, tmp_path / "out")
    except (ValueError, OSError) as error:
        assert str(error).endswith(".") and "\n" not in str(error), error
        return
    if not (folder / "manifest.csv").exists():
        assert len(found.images) + sum(found.left_out.values()) == len(files)
    assert manifest.groupby("patient")["split"].nunique().max() == 1
    assert set(manifest["split"]) == {*datasets.SPLITS}
    assert manifest["file"].is_unique
    sheets = tmp_path / "out.private"
    if sheets.exists():
        known = {*pd.read_csv(sheets / "rejected.csv")["file"], *pd.read_csv(sheets / "review.csv")["file"]}
        hashes = set(manifest["source_sha256"])
        names = {path: str(path).encode(errors="backslashreplace") for path in files}
        assert all(names[path].decode() in known or sha256_of_file(path) in hashes for path in files)
    datasets.load(tmp_path / "out", 16)
