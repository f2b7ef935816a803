"""Synthetic images as DICOM that says what it is."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from medgan_tf import dicom
from medgan_tf.dicom.synthetic import NOTICE


def images(dtype=np.uint8, size=(7, 5)):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (2, *size, 1)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_come_back_and_the_file_says_that_it_is_synthetic(dtype, tmp_path):
    paths = dicom.write_synthetic(images(dtype), tmp_path, "model dcgan, seed 3", ["run", "dcgan", "3"])
    read = [pydicom.dcmread(path) for path in paths]
    for dataset, image in zip(read, images(dtype), strict=True):
        np.testing.assert_array_equal(dataset.pixel_array, image[..., 0])
        assert dataset.SyntheticData == "YES"
        assert dataset.SOPClassUID.name == "Secondary Capture Image Storage"
        assert NOTICE in dataset.SeriesDescription
        assert "seed 3" in dataset.DerivationDescription
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert read[0].SeriesInstanceUID == read[1].SeriesInstanceUID
    assert read[0].SOPInstanceUID != read[1].SOPInstanceUID


def test_the_same_origin_is_the_same_instance_and_another_is_another():
    one, same, other = (
        dicom.synthetic_dataset(images()[0], "", series) for series in (["a", "1"], ["a", "1"], ["a", "2"])
    )
    assert one.SOPInstanceUID == same.SOPInstanceUID
    uids = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    assert len({dataset[uid].value for uid in uids for dataset in (one, other)}) == 6


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.zeros((2, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)])
def test_arrays_of_other_types_and_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match="uint8 or uint16"):
        dicom.synthetic_dataset(wrong, "", ["a"])


def test_dciodvfy_finds_no_error(tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy of dicom3tools is not installed, so the files were not validated.")
    paths = [*dicom.write_synthetic(images(), tmp_path / "a", "x", ["a"])]
    paths += dicom.write_synthetic(images(np.uint16), tmp_path / "b", "x", ["b"])
    for path in paths:
        found = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True)
        errors = [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")]
        # Synthetic Data was added to the standard in 2023; older releases of the tool do not know it.
        unknown = "</(0008,001c)> - Attribute with an even group number is not a recognized standard attribute"
        assert [error for error in errors if unknown not in error] == []
