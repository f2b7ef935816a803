"""Label agreement and per-class evaluation, with classifiers whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from medgan_tf import metrics
from medgan_tf.datasets import ImageSet
from medgan_tf.metrics.features import Extractor, Features

CLASSES = ("bright", "dark", "grey")


def label_classifier(classes=CLASSES):
    """Names the class by the mean grey level: dark below 80, bright above 170."""

    def function(images):
        mean = images.reshape(len(images), -1).mean(axis=1)
        answer = np.select([mean > 170, mean < 80], [0, 1], 2)
        features = np.stack([mean, mean**2 / 256], 1) / 64
        return Features(features.astype(np.float32), np.eye(3, dtype=np.float32)[answer])

    return Extractor("mean", "0" * 64, 16, function, report={"classes": list(classes)})


def images(levels):
    noise = np.random.default_rng(0).integers(-20, 21, (len(levels), 16, 16, 1))
    return (np.asarray(levels)[:, None, None, None] + noise).astype(np.uint8)


def labelled(pixels, labels, patients=None, classes=CLASSES):
    return ImageSet(pixels, np.asarray(labels), patients, classes=classes)


def test_agreement_by_class_has_wilson_intervals():
    levels = [200] * 8 + [128] * 2 + [40] * 10 + [128] * 5 + [200] * 5
    labels = [0] * 10 + [1] * 10 + [2] * 10
    found = metrics.agreement(label_classifier(), labelled(images(levels), labels))
    assert [found[name]["value"] for name in (*CLASSES, "mean")] == pytest.approx([0.8, 1.0, 0.5, 23 / 30])
    z, p, n = norm.ppf(0.975), 0.8, 10
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert found["bright"]["low"] == pytest.approx((centre - half) / (1 + z**2 / n))
    assert found["bright"]["high"] == pytest.approx((centre + half) / (1 + z**2 / n))
    assert found["bright"]["named"] == {"bright": 0.8, "dark": 0.0, "grey": 0.2}
    assert found["dark"]["high"] == 1.0
    assert found["dark"]["low"] < 0.75
    assert all(record["chance"] == pytest.approx(1 / 3) for record in found.values())
    assert found["mean"]["n"] == 30


def test_interval_coverage_of_the_mean_is_95_percent():
    generator, truth = np.random.default_rng(1), np.array([0.9, 0.5, 0.3])
    levels = np.array([200, 40, 128])
    held = 0
    for _ in range(300):
        labels = np.repeat(np.arange(3), 40)
        right = generator.random(120) < truth[labels]
        shown = np.where(right, levels[labels], levels[(labels + 1) % 3])
        found = metrics.agreement(label_classifier(), labelled(images(shown), labels))["mean"]
        held += found["low"] <= truth.mean() <= found["high"]
    assert 0.92 < held / 300 < 0.99


def test_random_labels_give_chance_whatever_the_classifier_prefers():
    generator = np.random.default_rng(2)
    levels = generator.choice([200, 128], 3000, p=[0.9, 0.1])  # the classifier says "bright" nearly always
    found = metrics.agreement(label_classifier(), labelled(images(levels), np.arange(3000) % 3))
    assert found["bright"]["value"] > 0.85
    assert found["mean"]["value"] == pytest.approx(1 / 3, abs=0.02)


def test_a_classifier_of_other_classes_raises():
    with pytest.raises(ValueError, match="The classifier knows the classes"):
        metrics.agreement(label_classifier(("a", "b", "c")), labelled(images([1, 2]), [0, 1]))


def test_each_class_is_measured_and_rare_classes_are_reported():
    generator = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [60, 60, 9])
    levels = np.array([200, 40, 128])
    real = images(levels[labels] + generator.integers(-15, 16, len(labels)))
    asked = np.arange(240) % 3
    obeying = images(levels[asked] + generator.integers(-15, 16, len(asked)))
    deaf = obeying[generator.permutation(len(obeying))]
    real = labelled(real, labels, np.arange(len(real)))
    good, bad, unasked = (
        metrics.evaluate(real, fake, label_classifier(), by_class=True, repeats=6)["classes"]
        for fake in (labelled(obeying, asked), labelled(deaf, asked), obeying)
    )
    assert good["grey"] == bad["grey"] == {"too_few": 9}
    for name in ("bright", "dark"):
        distances = [records[name]["kernel_distance"] for records in (good, bad, unasked)]
        assert distances[0]["value"] < distances[0]["real_vs_real_high"]
        assert min(distances[1]["low"], distances[2]["low"]) > distances[0]["high"]
        assert distances[0]["n"] == 30


def simulated(patients_a_class, studies=200):
    """Shares of studies whose intervals hold the truth, 0.7: of the mean and of a class by patient, of the mean by
    image. Of a patient's four images all are right, or none.
    """
    count = 3 * patients_a_class
    generator, patients, levels = np.random.default_rng(4), np.repeat(np.arange(count), 4), np.array([200, 40, 128])
    labels, held = patients % 3, np.zeros(3)
    for _ in range(studies):
        right = (generator.random(count) < 0.7)[patients]
        shown = images(np.where(right, levels[labels], levels[(labels + 1) % 3]))
        found = metrics.agreement(label_classifier(), labelled(shown, labels, patients))
        single = metrics.agreement(label_classifier(), labelled(shown, labels))
        assert all(found[name]["low"] <= single[name]["low"] for name in found)
        assert all(found[name]["high"] >= single[name]["high"] for name in found)
        held += [each["low"] <= 0.7 <= each["high"] for each in (found["mean"], found["bright"], single["mean"])]
    return held / studies


def test_intervals_of_real_images_are_by_patient():
    mean, of_class, by_image = simulated(30)
    assert 0.90 <= min(mean, of_class) <= max(mean, of_class) <= 0.98
    assert by_image < 0.8
    assert simulated(5)[1] < 0.88  # which the docstring admits
    labels, patients = np.arange(360) // 4 % 3, np.arange(360) // 4
    levels = np.array([200, 40, 128])
    alone = metrics.agreement(label_classifier(), labelled(images(levels[labels]), labels, patients))
    assert alone["bright"]["low"] == pytest.approx(120 / (120 + norm.ppf(0.975) ** 2))  # Wilson's, where all are right


def asked_for(right, count=120, seed=5):
    """An ImageSet of which a proportion shows the class of its label, and the others the next class."""
    generator, labels = np.random.default_rng(seed), np.arange(count) % 3
    shown = np.where(generator.random(count) < right, labels, (labels + 1) % 3)
    return labelled(images(np.array([200, 40, 128])[shown] + generator.integers(-15, 16, count)), labels)


def test_evaluate_compares_agreement_with_that_of_real_images():
    real = replace(asked_for(0.95), patients=np.arange(120) // 3)
    for right, interpret in (
        (0.6, "worse than real by more than chance"),
        (0.95, "as close as real images are to each other"),
    ):
        fake = asked_for(right, 240, seed=7)
        found = metrics.evaluate(real, fake, label_classifier(), repeats=2)["label_agreement"]
        alone = metrics.agreement(label_classifier(), fake)
        real_vs_real = metrics.agreement(label_classifier(), real)
        assert found["interpretation"] == interpret
        assert (found["extractor"], found["weights_sha256"], found["better"]) == ("mean", "0" * 64, "higher")
        assert (found["n"], found["real_vs_real_n"], found["patients"], found["image_size"]) == (
            240,
            120,
            40,
            "16 x 16",
        )
        assert set(found["by_class"]) == set(CLASSES)
        for name, record in (("mean", found), *found["by_class"].items()):
            assert [record[end] for end in ("value", "low", "high")] == [
                alone[name][end] for end in ("value", "low", "high")
            ]
            assert [record[f"real_vs_real{end}"] for end in ("", "_low", "_high")] == [
                real_vs_real[name][end] for end in ("value", "low", "high")
            ]


def test_agreement_without_real_labels_is_compared_with_chance():
    real, fake = asked_for(0.95), asked_for(0.9, seed=8)
    unknown, guessed = real.without_labels(), replace(real, labels=np.random.default_rng(0).permutation(real.labels))
    measured = {
        name: metrics.evaluate(given, fake, label_classifier(), repeats=2)["label_agreement"]
        for name, given in (("unknown", unknown), ("at random", guessed))
    }
    assert measured["unknown"]["interpretation"] == "better than chance" and "real_vs_real" not in measured["unknown"]
    assert measured["at random"]["interpretation"] == "the classifier does not recognise real images"
    fake = asked_for(1 / 3, 1200, seed=9)
    bright = fake.take(fake.labels == 0)
    guessed = metrics.evaluate(unknown, bright, label_classifier(), repeats=2)["label_agreement"]
    assert guessed["interpretation"] == "not distinguishable from chance" and set(guessed["by_class"]) == {"bright"}


def test_a_separate_label_classifier_matches_classes_by_name():
    real = asked_for(0.95)
    turned = labelled(real.pixels, 2 - real.labels, classes=CLASSES[::-1])
    without = Extractor("mean", "0" * 64, 16, label_classifier().function)
    settings = {"label_classifier": label_classifier(), "repeats": 2}
    found = metrics.evaluate(turned, turned, without, **settings)["label_agreement"]
    assert found["value"] == found["real_vs_real"] > 0.9
    assert "label_agreement" not in metrics.evaluate(turned, turned, without, repeats=2)
    with pytest.raises(ValueError, match=r"The classifier knows the classes .*, not \['a', 'b', 'c'\]"):
        metrics.evaluate(*[replace(turned, classes=("a", "b", "c"))] * 2, without, **settings)
    with pytest.raises(ValueError, match="labels of the synthetic images"):
        metrics.evaluate(real.pixels, real.pixels, without, **settings)
