"""Phantom cohorts: valid DICOM, reproducible, and with a truth that the pixels confirm."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_samples import contents
from scipy.ndimage import binary_opening, gaussian_filter
from scipy.stats import binom
from skimage.measure import label, regionprops
from skimage.morphology import disk

from medgan_tf import phantoms
from medgan_tf.phantoms.anatomy import SIDES, dome_top, in_lung, lung_edges, to_patient
from medgan_tf.phantoms.drawing import body, pixel_grid

SIZE = 192
FINDINGS = ["pneumonia", "nodule", "effusion"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """300 patients at 64 px with one or two images each: their folder and truth."""
    folder = tmp_path_factory.mktemp("cohort")
    truth = phantoms.write_cohort(folder, 300, seed=5, image_size=64, images_per_patient=(1, 2))
    return folder, truth


def sample(kind, number):
    """Anatomy, acquisition and lesions of one random image of class `kind`."""
    rng = np.random.default_rng([number, len(kind)])
    anatomy, acquisition = phantoms.sample_anatomy(rng), phantoms.sample_acquisition(rng)
    return anatomy, acquisition, phantoms.sample_lesions(kind, anatomy, acquisition, rng)


def change(anatomy, acquisition, lesions, size=SIZE):
    """The difference that the lesions make to the image: float (size, size)."""
    quiet = replace(acquisition, noise=0.0, marker="none")
    with_lesions = phantoms.draw(anatomy, quiet, lesions, size, np.random.default_rng(1))
    return with_lesions - phantoms.draw(anatomy, quiet, [], size, np.random.default_rng(1))


def patient_grid(acquisition, size=SIZE):
    return to_patient(acquisition, *pixel_grid(size))


def test_dciodvfy_finds_no_error(tmp_path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy of dicom3tools is not installed, so the files were not validated.")
    even = dict.fromkeys(phantoms.PREVALENCE, 0.25)
    truth = phantoms.write_cohort(tmp_path, 24, seed=1, image_size=80, prevalence=even)
    checked = truth.groupby("class").head(6)
    assert checked["class"].value_counts().to_dict() == dict.fromkeys(phantoms.PREVALENCE, 6)
    for file in checked["file"]:
        found = subprocess.run(["dciodvfy", tmp_path / file], capture_output=True, text=True)
        report = found.stdout + found.stderr
        assert found.returncode == 0 and "Error" not in report, f"{file}: {report}"
        assert "DXImageForPresentation" in report


def test_headers_agree_with_the_truth(cohort):
    folder, truth = cohort
    headers = [pydicom.dcmread(folder / file, stop_before_pixels=True) for file in truth["file"]]
    assert {ds.PhotometricInterpretation for ds in headers} == {"MONOCHROME1", "MONOCHROME2"}
    assert {ds.BitsStored for ds in headers} == {12, 13, 14}
    assert [ds.PatientSex for ds in headers] == truth["sex"].tolist()
    assert len({ds.SOPInstanceUID for ds in headers}) == len(truth)
    assert len({ds.PatientID for ds in headers}) == truth["patient"].nunique() == 300
    for _, images in truth.groupby("patient"):
        follow_ups = [headers[row] for row in images.index]
        assert len({ds.PatientID for ds in follow_ups}) == len({ds.PatientName for ds in follow_ups}) == 1
        assert len({ds.PhotometricInterpretation for ds in follow_ups}) == 1
        dates = [ds.StudyDate for ds in follow_ups]
        assert dates == sorted(set(dates)) and dates[0] > follow_ups[0].PatientBirthDate
        assert images["vessel_seed"].nunique() == images["class"].nunique() == 1
        assert images["shift_x"].nunique() == len(images)


def test_windowing_the_stored_pixels_recovers_the_image(tmp_path):
    truth = phantoms.write_cohort(tmp_path, 8, seed=3, image_size=96, images_per_patient=(1, 1))
    for file in truth["file"]:
        ds = pydicom.dcmread(tmp_path / file)
        assert ds.pixel_array.dtype == np.uint16 and ds.pixel_array.max() < 2**ds.BitsStored
        shown = (ds.pixel_array - (ds.WindowCenter - 0.5)) / (ds.WindowWidth - 1) + 0.5  # PS3.3 C.11.2.1.2.1
        assert shown.min() >= -1e-6 and shown.max() <= 1 + 1e-6
        brightness = 1 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown
        assert np.median(brightness[:8, :8]) < 0.1 < 0.6 < np.median(brightness[-8:, 40:56])  # air and abdomen


def test_same_seed_gives_the_same_bytes_for_any_number_of_workers(tmp_path):
    for name, seed, workers in [("one", 7, 1), ("two", 7, 2), ("other", 8, 1)]:
        phantoms.write_cohort(tmp_path / name, 6, seed=seed, image_size=64, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not set(contents(tmp_path / "one").values()) & set(contents(tmp_path / "other").values())


def test_larger_cohort_contains_the_smaller(tmp_path):
    small = phantoms.write_cohort(tmp_path / "small", 4, seed=7, image_size=64)
    large = phantoms.write_cohort(tmp_path / "large", 9, seed=7, image_size=64)
    pd.testing.assert_frame_equal(small, large[: len(small)])
    larger = contents(tmp_path / "large")
    assert all(larger[file] == content for file, content in contents(tmp_path / "small").items() if file[-4:] == ".dcm")
    again = phantoms.write_cohort(
        tmp_path / "large", 4, seed=7, image_size=64
    )  # files of the nine patients are removed
    assert contents(tmp_path / "large") == contents(tmp_path / "small")
    pd.testing.assert_frame_equal(again, small)


def test_written_and_returned_truth_are_equal(cohort):
    folder, truth = cohort
    pd.testing.assert_frame_equal(pd.read_csv(folder / "truth.csv"), truth, check_dtype=False)
    assert set(truth["file"]) == {path.relative_to(folder).as_posix() for path in folder.rglob("*.dcm")}
    lesions = truth["lesions"].map(json.loads)
    assert lesions.map(len).eq(truth["lesion_count"]).all()
    assert truth["lesion_count"].eq(0).eq(truth["class"] == "normal").all()
    for kind, found in zip(truth["class"], lesions, strict=True):
        assert all(lesion["kind"] == kind for lesion in found)


def test_prevalence_is_within_binomial_bounds(cohort):
    _, truth = cohort
    counts = truth.groupby("patient")["class"].first().value_counts()
    for kind, probability in phantoms.PREVALENCE.items():
        low, high = binom.interval(0.999, 300, probability)
        assert low <= counts[kind] <= high


@pytest.mark.parametrize("number", range(6))
def test_image_has_two_lungs_at_the_positions_of_the_anatomy(number):
    anatomy, acquisition, _ = sample("normal", number)
    picture = phantoms.draw(anatomy, replace(acquisition, marker="none"), [], SIZE, np.random.default_rng(0))
    x, y = patient_grid(acquisition)
    trunk = (np.abs(x - 0.5) < anatomy.lung_half_width + 0.02) & (body(anatomy, x, y) > 12)
    smooth = gaussian_filter(picture, 0.012 * SIZE)
    dark = binary_opening((smooth < 0.6) & trunk, disk(SIZE // 48))
    regions = [region for region in regionprops(label(dark)) if region.area > 0.02 * SIZE**2]
    assert len(regions) == 2
    for region, side in zip(sorted(regions, key=lambda region: region.centroid[1]), [-1, 1], strict=True):
        lung = in_lung(anatomy, acquisition.breath, x, y, side)
        found = np.zeros_like(lung)
        found[tuple(region.coords.T)] = True
        assert (lung & found).sum() / (lung | found).sum() > 0.65
        assert (lung & found).sum() / found.sum() > 0.85


@pytest.mark.parametrize("number", range(6))
def test_heart_reaches_further_to_the_patients_left(number):
    anatomy, acquisition, _ = sample("normal", number)
    acquisition = replace(acquisition, shift_x=0.0, shift_y=0.0, rotation=0.0, marker="none")
    picture = phantoms.draw(anatomy, acquisition, [], SIZE, np.random.default_rng(0))
    row = int((anatomy.heart_y + acquisition.breath - 0.02) * SIZE)
    bright = gaussian_filter(picture, 1)[row] > 0.6
    middle = SIZE // 2
    left = np.argmin(bright[middle:]) / SIZE  # the patient's left, on the image's right
    right = np.argmin(bright[: middle + 1][::-1]) / SIZE
    assert 0.55 < left / (left + right) < 0.85
    assert left + right == pytest.approx(2 * anatomy.heart_half_width, rel=0.25)


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("kind", FINDINGS)
def test_lesions_change_the_affected_lung_only(kind, number):
    anatomy, acquisition, lesions = sample(kind, number)
    x, y = patient_grid(acquisition)
    changed = np.abs(change(anatomy, acquisition, lesions))
    near = np.zeros_like(changed, bool)
    for side in {lesion.side for lesion in lesions}:
        near |= np.min(lung_edges(anatomy, acquisition.breath, x, y, SIDES[side]), axis=0) > -0.01
    assert changed.max() > 0.03
    assert changed[~near].max() < 0.15 * changed.max()  # the scatter of a large effusion
    assert changed[near].sum() > 0.85 * changed.sum()


@pytest.mark.parametrize("number", range(10))
def test_nodules_have_their_true_number_position_and_size(number):
    anatomy, acquisition, lesions = sample("nodule", number)
    size = 320
    changed = change(anatomy, replace(acquisition, blur=0.001), lesions, size)
    for lesion in lesions:
        x, y = pixel_grid(size)
        own = np.where(np.hypot(x - lesion.x, y - lesion.y) < 0.53 * lesion.size + 0.004, changed, 0)
        spot = regionprops(label(own > 0.15 * own.max()), intensity_image=own)
        spot = max(spot, key=lambda region: region.area)
        row, column = spot.centroid
        assert np.hypot((column + 0.5) / size - lesion.x, (row + 0.5) / size - lesion.y) < 0.006
        assert spot.equivalent_diameter_area / size == pytest.approx(lesion.size, rel=0.15, abs=0.006)
        assert 0.02 <= lesion.size <= 0.075  # 8 to 30 mm
    spots = label(changed > 0.1 * max(changed.max(), 0.1))
    assert len([region for region in regionprops(spots) if region.area > 6]) == len(lesions)


@pytest.mark.parametrize("number", range(10))
def test_pneumonia_has_its_true_position_and_size(number):
    anatomy, acquisition, lesions = sample("pneumonia", number)
    for lesion in lesions:
        changed = np.clip(change(anatomy, acquisition, [lesion]), 0, None)
        x, y = pixel_grid(SIZE)
        centre_x, centre_y = np.average(x, weights=changed), np.average(y, weights=changed)
        assert np.hypot(centre_x - lesion.x, centre_y - lesion.y) < 0.3 * lesion.size
        area = (changed > 0.4 * np.quantile(changed[changed > 0.02], 0.9)).sum() / SIZE**2
        assert 2 * np.sqrt(area / np.pi) == pytest.approx(lesion.size, rel=0.4)
        assert in_lung(anatomy, acquisition.breath, *to_patient(acquisition, lesion.x, lesion.y), SIDES[lesion.side])


@pytest.mark.parametrize("number", range(10))
def test_effusion_has_its_true_position_and_height(number):
    anatomy, acquisition, lesions = sample("effusion", number)
    for lesion in lesions:
        side = SIDES[lesion.side]
        changed = change(anatomy, acquisition, [lesion])
        x, y = patient_grid(acquisition)
        wet = changed > 0.05
        angle_y = dome_top(anatomy, acquisition.breath, side) + anatomy.dome_depth
        wall = lung_edges(anatomy, acquisition.breath, x, y, side)[0]
        top = y[wet & (wall < 0.02)].min()  # the meniscus is highest at the chest wall
        assert angle_y - top == pytest.approx(lesion.size, abs=0.03)
        place = anatomy, acquisition.breath, x, y, side
        wet &= in_lung(*place)
        image_x, image_y = pixel_grid(SIZE)
        assert np.hypot(image_x[wet].mean() - lesion.x, image_y[wet].mean() - lesion.y) < 0.03


def test_higher_contrast_changes_the_image_more():
    anatomy, acquisition, lesions = sample("nodule", 0)
    variants = [[replace(lesions[0], contrast=contrast)] for contrast in (0.2, 0.5, 0.8)]
    strengths = [change(anatomy, acquisition, variant).max() for variant in variants]
    assert 1.5 * strengths[0] < strengths[1] and 1.2 * strengths[1] < strengths[2]


def test_noise_is_stronger_in_bright_regions():
    anatomy, acquisition, _ = sample("normal", 1)
    settings = [replace(acquisition, noise=noise, exposure=1.0, gamma=0.1) for noise in (0.0, 0.005)]
    quiet, noisy = (phantoms.draw(anatomy, each, [], SIZE, np.random.default_rng(2)) for each in settings)
    noise = noisy - quiet
    x, y = patient_grid(acquisition)
    lung = in_lung(anatomy, acquisition.breath, x, y, -1, margin=0.03)
    abdomen = (np.abs(x - 0.5) < 0.2) & (y > 0.88)
    assert noise[abdomen].std() > 1.5 * noise[lung].std() > 0


def test_killed_process_leaves_complete_files_and_no_truth(tmp_path):
    code = f"from medgan_tf import phantoms; phantoms.write_cohort({str(tmp_path)!r}, 5000, workers=1)"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("image_*.dcm"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    written = list(tmp_path.rglob("image_*.dcm"))
    assert len(written) >= 10
    assert all(pydicom.dcmread(path).pixel_array.shape == (256, 256) for path in written)
    assert not (tmp_path / "truth.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patients": 0}, "at least 1 patient"),
        ({"patients": 1, "image_size": 32}, "at least 64 pixels"),
        ({"patients": 1, "images_per_patient": (3, 2)}, "least <= most"),
        ({"patients": 1, "prevalence": {"normal": 0.5, "nodule": 0.6}}, "sum to 1"),
        ({"patients": 1, "prevalence": {"normal": 1.5, "nodule": -0.5}}, "sum to 1"),
        ({"patients": 1, "prevalence": {"fracture": 1.0}}, "unknown class 'fracture'"),
    ],
)
def test_invalid_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        phantoms.write_cohort(tmp_path / "cohort", **arguments)
    assert not (tmp_path / "cohort").exists()
