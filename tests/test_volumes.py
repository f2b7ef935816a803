"""NIfTI volumes as slices: the same picture in every orientation, what is odd is said, masks stay with their images."""

import csv
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from PIL import Image

from medgan_tf import datasets, volumes
from medgan_tf.dicom.grey_levels import Window
from medgan_tf.volumes.find_files import subject_of
from medgan_tf.volumes.reading import VolumeError
from medgan_tf.volumes.slicing import chosen_slices, window_of

SHAPE = (12, 16, 10)
RAS = np.diag([2.0, 1.0, 3.0, 1.0])
ORIENTATIONS = ["".join(ends) for axes in permutations(("RL", "AP", "SI")) for ends in product(*axes)]


@pytest.fixture(autouse=True)
def key(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDGAN_TF_KEY_FILE", str(tmp_path / "key"))


def head():
    """A volume (R, A, S) with a bright spot at the right, in front and at the top, on a ball."""
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    ball = (((places - np.array(SHAPE) / 2) / np.array(SHAPE)) ** 2).sum(-1) < 0.2
    values = ball * 100.0 + ball * places[..., 0]
    values[9:11, 12:15, 7:9] = 200
    return values.astype(np.float32)


def save(values, path, codes="RAS", affine=RAS):
    """Write a volume in any orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values, affine)
    start, end = (nibabel.orientations.axcodes2ornt(each) for each in ("RAS", codes))
    image = image.as_reoriented(nibabel.orientations.ornt_transform(start, end))
    nibabel.save(image, path)
    return path


def rows_of(folder):
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_orientation_gives_the_same_pictures(codes, tmp_path):
    volume = volumes.read_volume(save(head(), tmp_path / "a.nii.gz", codes))
    np.testing.assert_array_equal(volume.values[..., 0], head())
    assert volume.spacing == pytest.approx((2, 1, 3))
    assert volume.notes == ()


def test_pictures_are_upright_with_the_patients_right_at_the_left(tmp_path):
    values = volumes.read_volume(save(head(), tmp_path / "a.nii", "PIR")).values[..., 0]
    for plane, index, shape in (("axial", 8, (16, 12)), ("coronal", 13, (10, 12)), ("sagittal", 10, (10, 16))):
        shown = volumes.picture(values, plane, index)
        assert shown.shape == shape
        rows, columns = np.nonzero(shown == 200)
        assert rows.mean() < shape[0] / 2 and columns.mean() < shape[1] / 2, plane


def test_pixels_become_square(tmp_path):
    save(np.random.default_rng(0).uniform(1, 2, SHAPE).astype(np.float32), tmp_path / "in" / "a.nii.gz")
    volumes.convert(tmp_path / "in", tmp_path / "out", image_size=60, plane="coronal", keep="all")
    rows = rows_of(tmp_path / "out")
    assert len(rows) == SHAPE[1]
    filled = np.asarray(Image.open(tmp_path / "out" / rows[0]["file"])) > 0
    assert filled.any(axis=0).sum() == 48 and filled.any(axis=1).sum() == 60  # 12 x 2 mm wide, 10 x 3 mm high


def test_16_bits_survive(tmp_path):
    values = np.random.default_rng(0).integers(0, 2**16, SHAPE, np.uint16)
    save(values, tmp_path / "in" / "a.nii.gz", "LSP", np.diag([1.0, 1, 1, 1]))
    identity = (2**15, 2**16)  # grey levels that are the values
    size = (SHAPE[1], SHAPE[0])
    volumes.convert(tmp_path / "in", tmp_path / "out", size, "png16", keep="all", window=identity)
    for row in rows_of(tmp_path / "out"):
        stored = np.asarray(Image.open(tmp_path / "out" / row["file"]))
        np.testing.assert_array_equal(stored, values[::-1, ::-1, int(row["slice"]) - 1].T)


def test_what_is_odd_is_said_and_what_cannot_be_used_is_named(tmp_path):
    folder, tilted = tmp_path / "in", RAS.copy()
    tilted[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]] @ RAS[:2, :2]
    save(head(), folder / "tilted.nii", affine=tilted)
    missing = head()
    missing[0, 0, :3] = np.nan
    save(missing, folder / "missing.nii")
    nibabel.save(nibabel.Nifti1Image(head(), None), folder / "lost.nii")
    save(np.stack([head()] * 3, -1), folder / "times.nii")
    (folder / "broken.nii").write_bytes(b"no volume at all")
    whole = save(head(), folder / "cut.nii.gz").read_bytes()
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, RAS), folder / "colours.nii")
    (folder / "notes.txt").write_text("nothing")
    report = volumes.convert(folder, tmp_path / "out", image_size=16, keep="all")
    assert report.volumes == 4 and report.rejected == 4
    reasons = (tmp_path / "out.private" / "rejected.csv").read_text()
    for part in ("broken.nii,", "cut.nii.gz,", "Holds colours", "notes.txt,Is no NIfTI volume"):
        assert part in reasons
    said = {row["notes"] for row in rows_of(tmp_path / "out")}
    for part in ("tilted by 17 degrees", "3 voxels that are not numbers", "no orientation is stated"):
        assert any(part in notes for notes in said), part
    assert {row["time"] for row in rows_of(tmp_path / "out")} == {"1", "2", "3"}


def test_sequences_are_of_one_patient_and_masks_stay_beside_their_images(tmp_path):
    marks = np.zeros(SHAPE, np.uint8)
    marks[2:6, 3:9, 4:6] = 4
    for patient in ("zoe", "yan"):
        for sequence in ("flair", "t1c"):
            save(head(), tmp_path / "in" / "tumour" / f"{patient}_{sequence}.nii.gz", "LPS")
        save(marks, tmp_path / "in" / "tumour" / f"{patient}_seg.nii.gz", "ASR")
    save(head(), tmp_path / "in" / "none" / "uwe_flair.nii.gz")
    volumes.convert(tmp_path / "in", tmp_path / "out", image_size=16, keep="all")
    rows = rows_of(tmp_path / "out")
    assert len({row["patient"] for row in rows}) == 3 and {row["class"] for row in rows} == {"tumour", "none"}
    assert all(bool(row["mask"]) == (row["class"] == "tumour") for row in rows)
    for row in rows:
        if row["mask"]:
            mask = np.asarray(Image.open(tmp_path / "out" / row["mask"]))
            assert set(np.unique(mask)) == ({0, 4} if row["slice"] in "56" else {0})
    report = volumes.convert(tmp_path / "in" / "tumour", tmp_path / "marked", image_size=16, keep="mask")
    assert report.slices == 4 * 2
    names = " ".join(row["file"] for row in rows)
    assert "zoe" not in names and "flair" not in names  # names of files may be those of patients


def test_a_mask_on_another_grid_is_left_out_by_name(tmp_path):
    save(head(), tmp_path / "in" / "a_t1.nii")
    save(np.ones((4, 4, 4), np.uint8), tmp_path / "in" / "a_mask.nii")
    volumes.convert(tmp_path / "in", tmp_path / "out", image_size=16)
    assert all(row["mask"] == "" and "another grid" in row["notes"] for row in rows_of(tmp_path / "out"))


def test_a_rerun_slices_what_is_missing_and_other_settings_are_refused(tmp_path):
    save(head(), tmp_path / "in" / "x" / "a.nii.gz")
    volumes.convert(tmp_path / "in", tmp_path / "out", image_size=16)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "images").rglob("*.png")}
    save(head() + 1, tmp_path / "in" / "x" / "b.nii.gz")
    assert volumes.convert(tmp_path / "in", tmp_path / "out", image_size=16).volumes == 2
    assert {path: path.stat().st_mtime_ns for path in files} == files
    with pytest.raises(ValueError, match="made with another plane"):
        volumes.convert(tmp_path / "in", tmp_path / "out", image_size=16, plane="sagittal")


def test_subjects_are_told_by_the_names_of_files():
    stems = ("pat5_flair", "pat5_seg", "case_0001_0000", "case_0001", "sub-07/anat/sub-07_T2w", "scan.t1")
    assert [subject_of(stem) for stem in stems] == ["pat5", "pat5", "case_0001", "case_0001", "sub-07", "scan"]


def test_the_window_is_robust_and_empty_slices_are_left_out():
    values = head()
    values[0, 0, 0] = 10_000
    window = window_of(values, "auto")
    assert window.center + window.width / 2 < 1000 and window.center - window.width / 2 >= 100
    assert window_of(values, "lung") == Window(-600, 1500)
    chosen = chosen_slices(window(values), "axial", 1, "foreground")
    assert 0 < len(chosen) < SHAPE[2]
    assert chosen_slices(window(values), "axial", 2, "all") == list(range(0, SHAPE[2], 2))


def test_inspect_and_prepare_take_slices_by_patient(tmp_path):
    for number in range(6):
        for sequence in ("t1", "t2"):
            values = np.random.default_rng([number, len(sequence)]).uniform(0, 9, SHAPE).astype(np.float32)
            save(values, tmp_path / "in" / "ab"[number % 2] / f"p{number}_{sequence}.nii")
    found = datasets.inspect([tmp_path / "in"]).counts()
    assert list(found["patients"]) == [3, 3] and list(found["images"]) == [6, 6]
    volumes.convert(tmp_path / "in", tmp_path / "out", image_size=16)
    manifest = datasets.prepare([tmp_path / "out"], tmp_path / "out")
    assert (manifest.groupby("patient")["split"].nunique() == 1).all()
    assert set(manifest["split"]) == {"train", "validation", "test"}


def test_a_folder_without_volumes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There are no NIfTI volumes"):
        volumes.convert(tmp_path, tmp_path / "out")
    with pytest.raises(VolumeError, match="no NIfTI volume"):
        volumes.read_volume(tmp_path / "none.nii")
