"""Canaries planted in every value representation, in names and in pixels: none leaves, and a leaky converter shows
all.
"""

import shutil

import pydicom
import pytest
from canaries import BURNED, PACKED, TEXT, Canaries, burned, planted_compressed, planted_image
from dicom_samples import to_bytes
from pydicom.uid import JPEG2000, JPEGBaseline8Bit

from medgan_tf import dicom
from medgan_tf.dicom import Header, burned_in, journal
from medgan_tf.dicom.deidentify import deidentify


@pytest.fixture
def cohort(tmp_path):
    """(folder, canaries): a file full of canaries, with canaries as names, two compressed ones, one with
    burned-in text.
    """
    canaries = Canaries()
    data = planted_image(canaries)
    folder = tmp_path / "in"
    inner = folder / "class" / canaries.remember("CnryFolderq", "folder name")
    inner.mkdir(parents=True)
    (inner / canaries.remember("CnryFileq.dcm", "file name")).write_bytes(data)
    for syntax in (JPEGBaseline8Bit, JPEG2000):
        (inner / f"CnryFileq_{syntax}.dcm").write_bytes(planted_compressed(canaries, syntax))
    (inner / "CnryFileq_burned.dcm").write_bytes(to_bytes(burned()))
    return folder, canaries


def pictures(folder):
    """All images below a folder as displayed, DICOM or not."""
    from PIL import Image

    for path in sorted(folder.rglob("*")):
        if path.suffix == ".dcm":
            yield dicom.read_image(path)
        elif path.suffix in (".jpg", ".png"):
            import numpy as np

            yield np.asarray(Image.open(path).convert("L"), np.float32) / 255


def test_canaries_are_in_every_value_representation(cohort):
    _, canaries = cohort
    planted = {where.split()[0] for where in canaries.planted.values()}
    every = {
        vr for vrs in (entry[0].split(" or ") for entry in pydicom.datadict.DicomDictionary.values()) for vr in vrs
    }
    assert every - planted <= {"SQ", "NONE", ""}
    assert {*TEXT, *PACKED} <= planted
    assert len(canaries.planted) > 1000


@pytest.mark.parametrize("format", ["jpg", "png16"])
def test_converted_output_has_no_canary(cohort, tmp_path, format):
    folder, canaries = cohort
    report = dicom.convert(folder, tmp_path / "out", format=format)
    assert (report.converted, report.held_back) == (3, 1)
    assert canaries.found(tmp_path / "out") == set()
    assert not any(burned_in.read_text(picture) for picture in pictures(tmp_path / "out"))


def test_deidentified_output_has_no_canary(cohort, tmp_path, monkeypatch):
    (tmp_path / "key").write_text("0" * 64)  # with some keys a shifted date equals another canary by chance
    monkeypatch.setenv("MEDGAN_TF_KEY_FILE", str(tmp_path / "key"))
    folder, canaries = cohort
    report = deidentify(folder, tmp_path / "out")
    assert (report.written, report.rejected, report.held_back) == (3, 0, 1)
    assert canaries.found(tmp_path / "out") == set()
    assert not any(burned_in.read_text(picture) for picture in pictures(tmp_path / "out"))


def test_search_finds_every_canary_of_a_leaky_converter(cohort, tmp_path):
    folder, canaries = cohort
    shutil.copytree(folder, tmp_path / "leaky")
    assert canaries.found(tmp_path / "leaky") == set(canaries.planted.values())
    shown = [picture for picture in pictures(tmp_path / "leaky") if burned_in.read_text(picture)]
    assert len(shown) == 1
    assert set(BURNED.split()) <= set(burned_in.suspicions(Header.of(burned()), shown)[1].upper().split())


def test_search_names_the_kind_of_canary_that_leaks(cohort, tmp_path):
    folder, canaries = cohort
    path = next(folder.rglob("CnryFileq.dcm"))
    dataset = pydicom.dcmread(path)
    forgotten = {"private": lambda element: not element.tag.is_private, "nested": lambda element: element.VR != "SQ"}
    for name, removes in forgotten.items():
        copy = pydicom.dcmread(path)
        for element in list(copy):
            if removes(element) and element.keyword not in ("PixelData", "Rows", "Columns"):
                del copy[element.tag]
        (tmp_path / name).mkdir()
        copy.save_as(tmp_path / name / "a.dcm")
        found = canaries.found(tmp_path / name)
        assert any(name in where for where in found), found
    assert dataset.PatientName


def test_files_that_name_sources_are_outside_the_output(cohort, tmp_path):
    folder, canaries = cohort
    deidentify(folder, tmp_path / "out")
    assert {"folder name", "file name"} <= canaries.found(journal.private_folder(tmp_path / "out"))
