"""Outlier scores and calibration: what the app says of pictures."""

import numpy as np
import pytest
from app_models import CLASSES

from medgan_tf import figures, metrics, results
from medgan_tf.datasets import ImageSet
from medgan_tf.metrics.features import Extractor, Features
from medgan_tf.metrics.outliers import Reference


def of_mean(scale):
    """An extractor whose one feature is an image's mean, and whose logits are a steep function of it."""

    def function(images):
        mean = images.astype(np.float32).mean(axis=(1, 2, 3))[:, None] / 255
        return Features(mean, np.concatenate([scale * (mean - 0.5), -scale * (mean - 0.5)], axis=1))

    return Extractor("mean", "00", 8, function, report={"classes": CLASSES})


def flat(values, dtype=np.uint8):
    return np.broadcast_to(np.asarray(values, dtype)[:, None, None, None], (len(values), 8, 8, 1))


def test_outlier_scores_are_uniform_for_real_images_and_highest_far_away(tmp_path):
    random = np.random.default_rng(0)
    training, held_out, fresh = (flat(random.normal(3e4, 3e3, n), np.uint16) for n in (2000, 1000, 1000))
    reference = metrics.outlier_reference(of_mean(1), training, held_out)
    scores = metrics.outlier_scores(reference, of_mean(1).function(fresh).features)
    ranks = [np.mean(scores <= quantile) for quantile in (0.9, 0.95)]
    np.testing.assert_allclose(ranks, [0.9, 0.95], atol=0.04)
    far = metrics.outlier_scores(reference, of_mean(1).function(flat([0, 65535], np.uint16)).features)
    assert far.tolist() == [1, 1]
    metrics.save_reference(reference, tmp_path)
    loaded = metrics.load_reference(tmp_path, of_mean(1))
    assert all(np.array_equal(a, b) for a, b in zip(loaded, reference, strict=True))
    other = Extractor("mean", "11", 8, None)
    assert metrics.load_reference(tmp_path, other) is None
    assert metrics.load_reference(tmp_path / "nowhere", other) is None


def test_outlier_distance_is_that_to_the_fifth_neighbour():
    reference = Reference(np.array([[0.0], [1], [2], [3], [4], [50]]), np.array([1.0, 3.5, 5, 9]), "00")
    assert metrics.outlier_scores(reference, np.array([[0.0], [-2.0]])).tolist() == [0.5, 0.75]


def test_the_proportion_of_outliers_has_an_interval():
    record = metrics.outlier_record(np.array([0.1] * 90 + [0.99] * 10))
    assert record["value"] == 0.1
    assert record["low"] < 0.1 < record["high"]
    assert (record["median"], record["n"]) == (0.1, 100)


def calibrated(share_right, confidence, n=4000):
    """A classifier with this confidence in every answer that is right this often."""
    random = np.random.default_rng(1)
    labels = (random.random(n) > share_right).astype(int)  # it always answers 0
    logits = np.tile([np.log(confidence / (1 - confidence)), 0], (n, 1)) + random.normal(0, 0.01, (n, 2))
    label_classifier = Extractor("label_classifier", "00", 8, _in_turn(logits), report={"classes": CLASSES})
    blank = ImageSet(np.zeros((n, 2, 2, 1), np.uint8), labels, np.arange(n))
    return metrics.calibration(label_classifier, blank)


def _in_turn(logits):
    place = [0]

    def function(images):
        start, place[0] = place[0], place[0] + len(images)
        return Features(images[:, 0, 0].astype(np.float32), logits[start : place[0]])

    return function


def test_calibration_detects_an_overconfident_classifier():
    honest, boastful = calibrated(0.8, 0.8), calibrated(0.6, 0.9)
    assert abs(honest["overconfidence"]["value"]) < 0.03
    assert honest["overconfidence"]["low"] < 0 < honest["overconfidence"]["high"]
    error = honest["expected_calibration_error"]
    assert error["real_vs_real_low"] < error["value"] < error["real_vs_real_high"]
    assert boastful["overconfidence"]["value"] == pytest.approx(0.3, abs=0.03)
    assert boastful["overconfidence"]["low"] > 0.2
    error = boastful["expected_calibration_error"]
    assert error["value"] == pytest.approx(0.3, abs=0.03)
    assert error["value"] > 3 * error["real_vs_real_high"]
    assert honest["accuracy"]["value"] == pytest.approx(0.8, abs=0.03)
    assert sum(bin_["n"] for bin_ in honest["curve"]) == 4000


def test_patients_with_many_images_widen_the_interval():
    images, labels = flat(np.arange(200)), (np.arange(200) // 50) % 2  # right and wrong by patient
    sets = [ImageSet(images, labels, patients) for patients in (np.arange(200), np.arange(200) // 50)]
    alone, few = (metrics.calibration(of_mean(4), each) for each in sets)
    width = lambda record: record["overconfidence"]["high"] - record["overconfidence"]["low"]  # noqa: E731
    assert width(few) > width(alone)


def test_figure_and_tables_show_the_records(tmp_path):
    results.write(tmp_path, "calibration/label_classifier", calibrated(0.8, 0.8))
    axis = figures.calibration(tmp_path).plot.axes[0]
    assert len(axis.lines[1].get_xdata()) == 10
    assert figures.calibration_table(tmp_path).data["n"]["classifier"] == "4000"
    results.write(tmp_path, "outliers/cgan", metrics.outlier_record(np.array([0.2, 0.99])))
    table = figures.outlier_table(tmp_path).data
    assert table.loc["cgan", "n"] == "2"
    assert table.loc["cgan", "beyond 95 in 100 real images"].startswith("0.500 [")
