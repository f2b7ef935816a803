"""The phantom segmenter: its true masks, its rules, and what it finds in unseen patients and in faulty images."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from medgan_tf import datasets, phantoms
from medgan_tf.phantoms.segmenter.network import augment, build
from medgan_tf.phantoms.segmenter.rules import best_cut, describe_maps, find_nodules, match_nodules, true_nodules
from medgan_tf.phantoms.segmenter.truth import CHANNELS, fresh_images, images_of, truth_masks

SIZE = 64
RIGHT, LEFT, HEART, NODULE, PNEUMONIA, EFFUSION = range(len(CHANNELS))
THRESHOLDS = {"nodule": 0.3, "nodule_scale": 1.0, "pneumonia": 0.003, "effusion": 0.003}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("segmenter")


@pytest.fixture(scope="module")
def segmenter(folder):
    """A segmenter of 40 patients, trained too briefly for nodules but long enough for lungs and heart."""
    return phantoms.train_segmenter(folder, datasets.read_image, SIZE, patients=40, seed=21, steps=50)


@pytest.fixture(scope="module")
def cohort(folder, segmenter):
    """Images and truth that the segmenter was made from."""
    truth = pd.read_csv(folder / "dicom" / "truth.csv")
    return images_of(truth, folder, datasets.read_image, SIZE), truth


@pytest.fixture(scope="module")
def masks(cohort):
    return truth_masks(cohort[1], SIZE)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Images of 12 other patients, used neither for training nor for thresholds, with their masks."""
    images, truth = fresh_images(tmp_path_factory.mktemp("others"), datasets.read_image, SIZE, 12, seed=99)
    return images, truth_masks(truth, SIZE)


def drawn(*discs, lungs=True):
    """Maps (S, S, 6) of two upright lungs, a heart on the image's right, and `discs` (channel, x, y, diameter)."""
    maps = np.zeros((SIZE, SIZE, len(CHANNELS)), np.float32)
    if lungs:
        maps[10:45, 10:27, RIGHT] = maps[10:45, 37:54, LEFT] = maps[28:46, 27:42, HEART] = 1
    rows, columns = np.ogrid[:SIZE, :SIZE]
    for channel, x, y, diameter in discs:
        distance = np.hypot(columns + 0.5 - x * SIZE, rows + 0.5 - y * SIZE)
        maps[..., channel] = np.maximum(maps[..., channel], np.clip(diameter * SIZE / 2 + 0.5 - distance, 0, 1))
    return maps


def test_rows_belong_to_their_images(folder, cohort):
    images, truth = cohort
    manifest = pd.read_csv(folder / "images" / "manifest.csv")
    assert len(images) == len(truth) == len(manifest) and images.dtype == np.uint8
    assert manifest["class"].value_counts().to_dict() == truth["class"].value_counts().to_dict()
    # A lung is dark inside its own mask, and less so inside the mask of another image.
    masks = truth_masks(truth, SIZE)[..., [RIGHT, LEFT]].sum(-1).astype(float)
    values = images[..., 0].reshape(len(images), -1).astype(float)
    contrast = [np.corrcoef(v, m)[0, 1] for v, m in zip(values, masks.reshape(values.shape), strict=True)]
    swapped = [np.corrcoef(v, m)[0, 1] for v, m in zip(values, np.roll(masks, 7, 0).reshape(values.shape), strict=True)]
    better = np.mean(np.array(contrast) < np.array(swapped))
    assert better > 0.8


def test_masks_have_the_area_and_position_of_the_true_lesions(cohort, masks):
    _, truth = cohort
    for kind, channel in (("nodule", NODULE), ("pneumonia", PNEUMONIA)):
        for row in np.flatnonzero(truth["class"] == kind):
            mask = masks[row, ..., channel].astype(float)
            lesions = json.loads(truth["lesions"][row])
            assert mask.sum() == pytest.approx(sum(np.pi * (o["size"] * SIZE / 2) ** 2 for o in lesions), rel=0.1)
            assert all(mask[int(o["y"] * SIZE), int(o["x"] * SIZE)] > 0.1 for o in lesions)
        assert not masks[truth["class"] != kind][..., channel].any()


def test_masks_have_lungs_heart_and_fluid_on_their_sides(cohort, masks):
    _, truth = cohort
    column = np.arange(SIZE)

    def centre(channel):
        weights = masks[..., channel].astype(float).sum(1)
        return (weights * column).sum(1) / np.maximum(weights.sum(1), 1e-9)

    assert (centre(RIGHT) < 26).all() and (centre(LEFT) > 37).all()
    assert (centre(RIGHT) + centre(LEFT) < 2 * centre(HEART) + 1).all()
    for row in np.flatnonzero(truth["class"] == "effusion"):
        sides = {lesion["side"] for lesion in json.loads(truth["lesions"][row])}
        fluid = masks[row, ..., EFFUSION].astype(float)
        assert {"right": fluid[:, :32].sum() > 1, "left": fluid[:, 32:].sum() > 1} == {
            side: side in sides for side in ("right", "left")
        }
    assert np.all((masks >= 0) & (masks <= 1))


def test_true_masks_keep_every_rule_and_are_described_correctly(cohort, masks):
    _, truth = cohort
    read = pd.DataFrame([describe_maps(m.astype(np.float32), THRESHOLDS) for m in masks])
    assert (read["lungs"] == 2).all() and read["heart_left"].all() and read["lesions_inside"].all()
    assert ((read["nodules"] > 0) == (truth["class"] == "nodule")).all()
    assert ((read["pneumonia"] > 0) == (truth["class"] == "pneumonia")).all()
    assert (read["effusion"] == (truth["class"] == "effusion")).mean() > 0.97
    counts = truth["lesion_count"].where(truth["class"] == "nodule", 0)
    assert (read["nodules"] == counts).mean() > 0.95  # two may touch at 64 pixels
    one = read["nodules"].eq(1) & counts.eq(1)
    sizes = [json.loads(lesions)[0]["size"] for lesions in truth["lesions"][one]]
    assert np.abs(read["nodule_sizes"][one].map(lambda found: found[0]) - sizes).max() < 0.75 / SIZE


def test_description_of_drawn_maps():
    maps = drawn((NODULE, 0.25, 0.4, 0.06), (NODULE, 0.7, 0.3, 0.05), (PNEUMONIA, 0.7, 0.5, 0.15))
    found = describe_maps(maps, THRESHOLDS)
    assert (found["lungs"], found["nodules"], found["pneumonia"], found["effusion"]) == (2, 2, 1, False)
    assert found["heart_left"] and found["lesions_inside"]
    assert found["right_lung_area"] == found["left_lung_area"] == pytest.approx(35 * 17 / SIZE**2)
    assert sorted(found["nodule_sizes"]) == pytest.approx([0.05, 0.06], rel=0.15)
    assert np.array(sorted(found["nodule_places"])) == pytest.approx(np.array([[0.25, 0.4], [0.7, 0.3]]), abs=0.01)


@pytest.mark.parametrize(
    ("maps", "rule", "value"),
    [
        (drawn()[:, ::-1][..., [1, 0, 2, 3, 4, 5]], "heart_left", False),
        (drawn() * (np.arange(6) != HEART), "heart_left", False),
        (drawn() * (np.arange(6) != LEFT), "heart_left", False),
        (drawn() * (np.arange(6) != LEFT), "lungs", 1),
        (drawn((LEFT, 0.5, 0.3, 0.4)), "lungs", 1),
        (drawn((LEFT, 0.5, 0.9, 0.15)), "lungs", 3),
        (drawn((LEFT, 0.5, 0.9, 0.03)), "lungs", 2),
        (drawn((NODULE, 0.5, 0.9, 0.05)), "lesions_inside", False),
        (drawn((NODULE, 0.25, 0.4, 0.05), (NODULE, 0.5, 0.2, 0.05)), "lesions_inside", False),
        (drawn((NODULE, 0.43, 0.3, 0.05)), "lesions_inside", True),  # within a pixel of the lung
        (drawn((NODULE, 0.47, 0.3, 0.05)), "lesions_inside", False),
        (drawn((NODULE, 0.25, 0.4, 0.05), lungs=False), "lesions_inside", False),
        (drawn((EFFUSION, 0.25, 0.6, 0.2)), "effusion", True),
        (drawn((PNEUMONIA, 0.25, 0.4, 0.03)), "pneumonia", 0),
    ],
)
def test_each_rule_can_be_broken(maps, rule, value):
    assert describe_maps(maps, THRESHOLDS)[rule] == value


def test_findings_are_matched_one_to_one_and_nearest_first():
    true = np.array([[0.3, 0.3, 0.04], [0.33, 0.3, 0.04], [0.8, 0.8, 0.04]])
    found = np.array([[0.325, 0.3, 0.04], [0.84, 0.8, 0.04]])
    assert match_nodules(true, found, SIZE).tolist() == [-1, 0, -1]
    assert match_nodules(true, np.zeros((0, 3)), SIZE).tolist() == [-1, -1, -1]
    assert match_nodules(np.zeros((0, 3)), found, SIZE).tolist() == []


def test_the_best_cut_separates_the_classes():
    scores, positive = np.array([0, 0, 0.1, 0.2, 0.6, 0.8]), np.array([0, 0, 0, 0, 1, 1], bool)
    assert best_cut(scores, positive) == pytest.approx(0.4)
    assert best_cut(np.zeros(4), np.zeros(4, bool)) > 0  # without positive cases the cut stays above 0


def test_augmented_images_agree_with_their_masks(cohort, masks):
    images, _ = cohort
    x, y = images.astype(np.float32) / 127.5 - 1, masks.astype(np.float32)
    new_x, new_y = augment(x, y, np.random.default_rng(0))
    assert new_x.dtype == new_y.dtype == np.float32  # otherwise the network is traced again
    assert new_x.shape == x.shape and new_x.min() >= -1 and new_x.max() <= 1 and not np.array_equal(new_x, x)
    areas = new_y.sum((1, 2))
    lost = (areas[:, :2] < 20).any(1)
    assert 0.03 < lost.mean() < 0.3 and not (areas[:, :2] < 20).all(1).any()
    columns = np.arange(SIZE)
    whole = new_y[~lost].sum(1)
    assert ((whole[..., RIGHT] * columns).sum(1) / whole[..., RIGHT].sum(1) < 32).all()  # also when mirrored
    heart = (whole[..., HEART] * columns).sum(1) / whole[..., HEART].sum(1)
    middle = [np.flatnonzero(row)[[0, -1]].mean() for row in whole[..., [RIGHT, LEFT]].sum(-1) > 1]
    assert 0.3 < (heart < middle).mean() < 0.7
    outside = (new_y[..., NODULE] > 0.5) & (new_y[..., :2].sum(-1) == 0)
    assert outside.any((1, 2)).mean() > 0.03
    # What remains marked as lung is still darker than the heart.
    lung = [np.median(i[..., 0][m[..., :2].max(-1) > 0.9]) for i, m in zip(new_x, new_y, strict=True)]
    beside = [np.median(i[..., 0][m[..., HEART] > 0.9]) for i, m in zip(new_x, new_y, strict=True)]
    assert (np.array(lung) < np.array(beside)).all()


def test_lungs_and_heart_are_found_on_unseen_patients(segmenter, others):
    images, masks = others
    found, true = segmenter.maps(images)[..., :3] > 0.5, masks[..., :3] > 0.5
    dice = 2 * (found & true).sum((1, 2)) / (found.sum((1, 2)) + true.sum((1, 2)))
    assert dice[:, [RIGHT, LEFT]].mean() > 0.85 and dice[:, HEART].mean() > 0.8
    read = segmenter.describe(images)
    assert (read["lungs"] == 2).mean() > 0.8 and read["heart_left"].mean() > 0.9
    assert read["right_lung_area"].corr(pd.Series(masks[..., RIGHT].astype(float).mean((1, 2)))) > 0.6


def test_mirrored_images_have_the_heart_on_the_right(segmenter, others):
    assert segmenter.describe(others[0][:, :, ::-1])["heart_left"].mean() < 0.1


@pytest.mark.parametrize("lung", [RIGHT, LEFT])
def test_erased_lung_is_not_found(segmenter, others, lung):
    images, masks = others
    cover = gaussian_filter(masks[..., lung].astype(float), (0, 1.5, 1.5)) > 0.05
    painted = np.where(cover[..., None], np.uint8(190), images)
    read = segmenter.describe(painted)
    area = read["right_lung_area"] if lung == RIGHT else read["left_lung_area"]
    assert (read["lungs"] < 2).mean() > 0.7
    assert area.mean() < 0.25 * masks[..., lung].astype(float).mean()
    assert read["heart_left"].mean() < 0.3


def test_report_states_every_error_with_its_sample(segmenter, cohort):
    report, truth = segmenter.report, cohort[1]
    assert sum(report["patients"].values()) == truth["patient"].nunique() == 40
    assert report["patients"] == {"fit": 28, "thresholds": 4, "held_out": 8}
    for finding, found in report["findings"].items():
        assert found["sensitivity"]["n"] + found["specificity"]["n"] == report["images"]
        assert found["found_in"][finding] == found["sensitivity"]
        assert found["sensitivity"]["low"] <= found["sensitivity"]["value"] <= found["sensitivity"]["high"]
    by_size = report["nodules"]["sensitivity_by_pixels"]
    assert sum(found["n"] for found in by_size.values()) == report["nodules"]["sensitivity"]["n"] > 0
    assert sum(found["k"] for found in by_size.values()) == report["nodules"]["sensitivity"]["k"]
    assert min(report["dice"].values()) > 0.8
    assert report["rules"]["two_lungs"]["n"] == report["images"]
    assert set(report["seconds"]) == {"drawing", "masks", "training", "report"}


def test_same_seed_gives_the_same_weights(cohort):
    images, truth = cohort
    images = images[:, ::2, ::2]
    first, again = (phantoms.fit_segmenter(images, truth, seed=5, steps=3) for _ in range(2))
    pairs = list(zip(first.model.get_weights(), again.model.get_weights(), strict=True))
    assert all(np.array_equal(a, b) for a, b in pairs) and first.thresholds == again.thresholds
    trained, fresh = first.model.get_weights()[0], build(SIZE // 2, 5).get_weights()[0]
    assert not np.array_equal(trained, fresh)  # it was trained, and another seed starts from other weights
    assert not np.array_equal(fresh, build(SIZE // 2, 6).get_weights()[0])


def test_saved_segmenter_gives_the_same_results(segmenter, others, tmp_path):
    segmenter.save(tmp_path)
    loaded = phantoms.load_segmenter(tmp_path)
    np.testing.assert_array_equal(loaded.maps(others[0]), segmenter.maps(others[0]))
    pd.testing.assert_frame_equal(loaded.describe(others[0]), segmenter.describe(others[0]))
    assert loaded.report == segmenter.report and loaded.thresholds == segmenter.thresholds
    for ending in ("keras", "json"):  # as an earlier version named the files
        (tmp_path / f"segmenter.{ending}").rename(tmp_path / f"reader.{ending}")
    assert phantoms.load_segmenter(tmp_path).report == segmenter.report


def swap_weights(folder):
    other = phantoms.load_segmenter(folder)
    other.model.set_weights([w + 1 for w in other.model.get_weights()])
    other.model.save(folder / "segmenter.keras")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda folder: shutil.rmtree(folder), FileNotFoundError, "no segmenter.keras in .*train a segmenter"),
        (lambda folder: (folder / "segmenter.json").unlink(), FileNotFoundError, "There is no segmenter.json"),
        (lambda folder: (folder / "segmenter.json").write_text("{"), ValueError, "is damaged .*train and save it"),
        (lambda folder: (folder / "segmenter.json").write_text("{}"), ValueError, "is damaged .*train and save it"),
        (lambda folder: (folder / "segmenter.keras").write_bytes(b"PK"), ValueError, "is damaged .*train and save it"),
        (swap_weights, ValueError, "are not those of segmenter.json"),
    ],
)
def test_damaged_files_raise_one_sentence(segmenter, tmp_path, damage, error, message):
    segmenter.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(error, match=message) as raised:
        phantoms.load_segmenter(tmp_path)
    assert "\n" not in str(raised.value)


def test_images_of_another_size_are_resized(segmenter, others):
    large = others[0][:4].repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(segmenter.maps(large)[..., RIGHT], segmenter.maps(others[0][:4])[..., RIGHT], atol=0.5)
    assert segmenter.describe(large)["lungs"].tolist() == segmenter.describe(others[0][:4])["lungs"].tolist()
    assert list(segmenter.describe(others[0][:0]).columns) == list(segmenter.describe(large).columns)


@pytest.mark.parametrize("images", [np.zeros((1, 64, 64, 1), np.float32), np.zeros((64, 64, 1), np.uint8)])
def test_arrays_of_other_types_and_shapes_are_refused(segmenter, images):
    with pytest.raises(ValueError, match="takes images uint8"):
        segmenter.describe(images)


def test_an_image_that_was_not_converted_is_an_error(folder, cohort):
    _, truth = cohort
    other = truth.assign(file=["truth.csv", *truth["file"][1:]])
    with pytest.raises(ValueError, match=r"1 phantoms were not converted; .*images.private"):
        images_of(other, folder, datasets.read_image, SIZE)


def test_too_few_patients_or_an_odd_size_is_refused(cohort):
    images, truth = cohort
    with pytest.raises(ValueError, match="multiple of 8, not 60"):
        phantoms.fit_segmenter(images[:, :60, :60], truth)
    few = truth["patient"].isin(truth["patient"].unique()[:9])
    with pytest.raises(ValueError, match="at least 10 patients, not 9"):
        phantoms.fit_segmenter(images[few], truth[few])


def test_importing_phantoms_does_not_import_tensorflow():
    code = "import sys; import medgan_tf.phantoms; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_other_findings_have_no_true_nodules(cohort):
    _, truth = cohort
    for kind, lesions, count in zip(truth["class"], truth["lesions"], truth["lesion_count"], strict=True):
        assert true_nodules(lesions).shape == (count if kind == "nodule" else 0, 3)
    assert find_nodules(np.zeros((SIZE, SIZE, 6)), 0.5).shape == (0, 3)
