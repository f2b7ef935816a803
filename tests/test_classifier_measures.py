"""The study's measures against scikit-learn, and its intervals against simulations whose truth is known."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import average_precision_score, balanced_accuracy_score, recall_score, roc_auc_score

from medgan_tf.studies import arm_comparison, arms, classifier_measures


@pytest.fixture
def answers():
    """Logits of 120 images of three classes, some of them equal, and bootstrap weights."""
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=120)
    logits = np.round(generator.standard_normal((120, 3)) + 1.2 * np.eye(3)[labels], 1).astype(np.float32)
    weights = np.concatenate([np.ones((1, 120)), generator.multinomial(120, np.full(120, 1 / 120), size=8)])
    return logits, labels, weights.astype(np.float32)


def test_measures_are_those_of_scikit_learn_with_the_same_weights(answers):
    logits, labels, weights = answers
    thresholds = np.array([0.3, 0.5, 0.7])
    found = classifier_measures.measure_classifier(logits, labels, thresholds, weights)
    scores = softmax(logits.astype(float), axis=1)
    for row, weight in enumerate(weights):
        for label in range(3):
            truth, above = labels == label, scores[:, label] > thresholds[label]
            wanted = {
                "auroc": roc_auc_score(truth, scores[:, label], sample_weight=weight),
                "auprc": average_precision_score(truth, scores[:, label], sample_weight=weight),
                "sensitivity": recall_score(truth, above, sample_weight=weight),
                "specificity": recall_score(~truth, ~above, sample_weight=weight),
            }
            for name, value in wanted.items():
                assert found[name][row, label] == pytest.approx(value, rel=1e-5), name
        balanced = balanced_accuracy_score(labels, scores.argmax(axis=1), sample_weight=weight)
        assert found["balanced_accuracy"][row, 3] == pytest.approx(balanced, rel=1e-5)
        assert found["auroc"][row, 3] == pytest.approx(found["auroc"][row, :3].mean())


def test_the_calibration_error_is_the_gap_between_confidence_and_truth():
    confidence = np.array([0.8] * 10 + [0.6] * 10)
    right = np.array([True] * 5 + [False] * 5 + [True] * 6 + [False] * 4)
    weights = np.stack([np.ones(20), np.r_[np.ones(10), np.zeros(10)], np.r_[np.zeros(10), np.ones(10)]])
    assert classifier_measures.calibration_error(confidence, right, weights) == pytest.approx([0.15, 0.3, 0])


def test_the_operating_point_has_the_specificity_asked_for():
    generator = np.random.default_rng(1)
    labels = generator.integers(2, size=500)
    logits = generator.standard_normal((500, 2)) + np.eye(2)[labels]
    thresholds = classifier_measures.operating_points(logits, labels, 0.9)
    found = classifier_measures.measure_classifier(logits, labels, thresholds, np.ones((1, 500)))
    assert (found["specificity"][0, :2] >= 0.9).all()
    assert (found["specificity"][0, :2] < 0.91).all()  # and no more than needed


WEIGHTS = arm_comparison.stratified_weights(np.arange(60), np.zeros(60, int), 200)


def simulated(generator, difference, seeds, spread):
    """Differences in the mean score of 60 patients, which seeds move by `spread`; the true one is `difference`."""
    patients, seed = generator.standard_normal((1, 60)), spread * generator.standard_normal((seeds, 1))
    return (difference + patients + seed + 0.3 * generator.standard_normal((seeds, 60))) @ WEIGHTS.T / 60


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.0), (3, 0.2), (3, 0.5), (5, 0.2)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(seeds, spread):
    generator = np.random.default_rng(seeds)
    records = [arm_comparison.mean_over_seeds(simulated(generator, 0.3, seeds, spread)) for _ in range(600)]
    held = np.mean([record["low"] <= 0.3 <= record["high"] for record in records])
    assert 0.9 <= held <= 0.975


def test_without_the_seeds_the_intervals_would_be_too_narrow():
    generator = np.random.default_rng(0)
    one_seed = [arm_comparison.mean_over_seeds(simulated(generator, 0, 1, spread=0.3)) for _ in range(200)]
    assert np.mean([record["low"] <= 0 <= record["high"] for record in one_seed]) < 0.8


def records_of(shifts, seed=0):
    """`compare` on arms whose scores are better by these shifts than those of the reference."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=300)
    weights = arm_comparison.stratified_weights(np.arange(300), labels, 200)
    noise = generator.standard_normal((5, 300, 2))
    measured = {
        name: [
            classifier_measures.measure_classifier(
                noise[number] + shift * np.eye(2)[labels], labels, np.full(2, 0.5), weights
            )
            for number in range(5)
        ]
        for name, shift in {"real only": 1.0, **shifts}.items()
    }
    pairs = [arms.Comparison(name, "real only", "main") for name in shifts]
    found = arm_comparison.compare_arms(measured, pairs, ["a", "b", "mean"], 0)
    return {record["arm"]: record for record in found if record["measure"] == "auroc"}


def test_better_worse_and_no_difference_are_told_apart_after_holm():
    found = records_of({"good": 2.0, "bad": 0.3, "same": 1.0})
    assert {name: record["interpretation"] for name, record in found.items()} == {
        "good": "better",
        "bad": "worse",
        "same": "no difference shown",
    }
    assert found["same"]["p"] == 1 and found["same"]["value"] == 0
    ps = sorted(record["p"] for record in found.values())
    corrected = sorted(record["p_holm"] for record in found.values())
    assert corrected == pytest.approx([3 * ps[0], max(3 * ps[0], 2 * ps[1]), 1])


def test_a_higher_calibration_error_is_worse():
    record = {"value": 0.1, "p_holm": 0.001}
    assert arm_comparison.interpret(record, "lower") == "worse"
    assert arm_comparison.interpret(record, "higher") == "better"
    assert arm_comparison.interpret(record | {"p_holm": float("nan")}, "higher") == "no difference shown"
