"""The privacy audit detects copies and overfitting, does not report new images, and counts by patient."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from medgan_tf import datasets, figures, metrics, results
from medgan_tf.studies import membership, memorisation, privacy, privacy_report, registration


def pictures(count, seed):
    """uint8 (count, 32, 32, 1): smooth random images."""
    noise = np.random.default_rng(seed).normal(size=(count, 32, 32))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2))
    smooth = (smooth - smooth.min((1, 2), keepdims=True)) / np.ptp(smooth, axis=(1, 2), keepdims=True)
    return np.rint(smooth * 255).astype(np.uint8)[..., None]


def split(count, seed, of_each=1):
    owners = np.array([f"p{seed}-{index // of_each}" for index in range(count)])
    return datasets.ImageSet(pictures(count, seed), np.arange(count, dtype=np.int32) % 2, owners, owners)


class Data:
    """The attributes of a datasets.ImageDataset that `privacy.audit_images` uses."""

    def __init__(self, training=60, of_each=1):
        self.train, self.validation = split(training, 1, of_each), split(60, 2)
        self.test = split(80, 3)

    @property
    def held_out(self):
        return datasets.join([self.validation, self.test])


@pytest.fixture(scope="module")
def extractor():
    return metrics.custom("pixels", lambda images: np.asarray(images)[:, ::4, ::4, 0].reshape(len(images), -1), 32)


def test_shifted_and_mirrored_copies_are_recognised():
    originals = pictures(40, 0)
    moved = np.roll(originals, (2, -3), (1, 2))
    moved[::2] = moved[::2, :, ::-1]
    index, correlation = registration.most_similar(moved, originals)
    assert (index == np.arange(40)).mean() > 0.9
    fresh = registration.most_similar(pictures(40, 9), originals)[1]
    assert np.median(correlation) > 0.95 > fresh.max()


def test_registration_undoes_small_shifts_only():
    first, other = pictures(2, 4)[..., 0]
    assert registration.registered_correlation(first, first) == pytest.approx(1)
    assert registration.registered_correlation(first, np.roll(first, 2, 0)) > 0.99
    assert registration.registered_correlation(first, np.roll(first, 10, 0)) < 0.8  # more than a tenth of the side
    assert abs(registration.registered_correlation(first, other)) < 0.8
    assert registration.registered_correlation(first, 255 - first) == pytest.approx(-1, abs=0.01)


def test_audit_detects_copies_but_not_new_images(extractor):
    data = Data()
    copied = privacy.audit_images(privacy.copier(data, 100), data, extractor)
    fresh = privacy.audit_images(pictures(100, 7), data, extractor)
    caught, honest = (section["memorisation"]["pixels"] for section in (copied, fresh))
    assert caught["copy_rate"]["low"] > 0.7 and caught["p_value"] < 1e-6
    assert honest["p_value"] > 0.025 and honest["nearer_to_training"]["low"] < 0.5
    assert caught["nearer_to_training"]["low"] > 0.9
    assert honest["patients_copied"] < 10 < caught["patients_copied"]
    attack = copied["attacks"]["distance"]
    assert attack["auc"]["low"] > 0.75 and attack["tpr"]["low"] > 0.3
    low, high = (fresh["attacks"]["distance"]["auc"][end] for end in ("low", "high"))
    assert low <= 0.5 <= high
    for section in (copied, fresh):
        for control in section["controls"]["distance"].values():
            assert control["auc"]["low"] <= 0.55 and control["auc"]["high"] >= 0.45


@pytest.mark.parametrize(("held_out", "of_each"), [(60, 1), (140, 2), (900, 1), (900, 3)])
def test_copy_test_has_its_nominal_level_and_power(held_out, of_each):
    rng = np.random.default_rng(held_out + of_each)
    patients = np.arange(held_out) // of_each

    def p_value(copied=0.0):
        own = np.repeat(rng.uniform(size=held_out // of_each), of_each)  # images of one patient are similar
        reference = own + rng.uniform(0, 1e-6, held_out)
        distance = np.where(rng.uniform(size=500) < copied, 0, rng.uniform(size=500))
        return memorisation.copied_by_chance(reference, patients, distance)[2]

    assert np.mean([p_value() < 0.025 for _ in range(2000)]) < 0.035  # 0.025 and three standard errors
    assert np.mean([p_value(copied=0.1) < 0.025 for _ in range(200)]) > 0.8


def test_pairs_are_sorted_by_distance(extractor):
    data = Data()
    synthetic = pictures(50, 7)
    synthetic[33] = data.train.images[21]
    pairs = privacy.audit_images(synthetic, data, extractor)["memorisation"]["pixels"]["pairs"]
    assert (pairs[0]["synthetic"], pairs[0]["training"]) == (33, 21)
    assert [pair["distance"] for pair in pairs] == sorted(pair["distance"] for pair in pairs)


@pytest.mark.parametrize("held_out", [60, 250, 912])
def test_copy_rate_is_the_proportion_below_the_threshold(held_out):
    rng = np.random.default_rng(held_out)
    owners = np.array([f"p{index // 2}" for index in range(held_out)])
    train, unseen = split(30, 1), datasets.ImageSet(np.zeros((held_out, 1, 1, 1), np.uint8), owners, owners, owners)
    of_synthetic, of_unseen = rng.uniform(size=500), rng.uniform(size=held_out)
    found = [(np.zeros(len(each), int), each) for each in (of_synthetic, of_unseen, of_synthetic, of_synthetic)]
    record = memorisation._record(*found, train, unseen)
    assert record["copy_rate"]["value"] == (of_synthetic < record["threshold"]).mean()
    assert (of_unseen < record["threshold"]).sum() == max(round(0.01 * (held_out + 1)), 1) - 1


def test_patient_in_training_and_held_out_images_is_refused(extractor):
    data = Data()
    with pytest.raises(ValueError, match="is in training and among the held-out images"):
        memorisation.memorisation(pictures(20, 7), data.train, data.train, extractor)


def test_attack_record_of_normal_scores_agrees_with_theory():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 2000), rng.normal(0, 1, 2000)
    record = membership.attack_record(members, others, np.arange(2000), np.arange(2000))
    assert record["auc"]["low"] < 0.7602 < record["auc"]["high"]  # Phi(1 / sqrt 2)
    assert record["tpr"]["low"] < 0.0923 < record["tpr"]["high"]  # 1 - Phi(2.326 - 1)
    blind = membership.attack_record(others[:1000], others[1000:], np.arange(1000), np.arange(1000))
    assert blind["auc"]["value"] == pytest.approx(0.5, abs=0.04)  # its standard error is 0.013
    assert blind["auc"]["high"] - blind["auc"]["low"] == pytest.approx(4 * 0.013, rel=0.2)
    assert np.interp(0.01, record["roc"]["fpr"], record["roc"]["tpr"]) == pytest.approx(
        record["tpr"]["value"], abs=0.02
    )


def test_sampled_patients_have_all_their_images():
    owners = np.repeat([f"p{number}" for number in range(30)], 4)
    some = memorisation.sample_patients(owners, 50)
    assert len(some) == 48 and len(set(owners[some])) == 12


@pytest.mark.slow
def test_discriminator_attack_detects_an_overfitted_gan(tmp_path, extractor, float32_again):
    from medgan_tf import config, training

    rows = []
    (tmp_path / "images").mkdir()
    for number in range(96):
        Image.fromarray(pictures(1, 100 + number)[0, ..., 0]).save(tmp_path / "images" / f"{number}.png")
        split_of = "train" if number < 24 else "validation" if number < 56 else "test"
        rows.append({"file": f"images/{number}.png", "class": "a", "patient": f"p{number}", "split": split_of})
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    data = datasets.load(tmp_path, 32)
    settings = config.PROFILES["quick"].training("overfitted")
    training.fit(training.build(settings, 32), settings, data, tmp_path / "model")
    section = privacy.audit(tmp_path / "model", data, extractor, 60)
    attack = section["attacks"]["discriminator"]
    assert attack["auc"]["low"] > 0.9
    control = section["controls"]["discriminator"]["unseen against unseen"]
    assert control["auc"]["low"] <= 0.5 <= control["auc"]["high"]


def test_tables_figures_and_sentences_show_the_measurements(tmp_path, extractor):
    data = Data()
    for name, images in (("honest", pictures(60, 7)), ("copier", privacy.copier(data, 60))):
        results.write(tmp_path, f"privacy/{name}", privacy.audit_images(images, data, extractor))
    sections = results.privacy(tmp_path)
    results.write(tmp_path, "feature_classifier", {"weights_sha256": "ab" * 32})
    shown = figures.privacy_table(tmp_path)
    assert "copier (60 synthetic" in shown.caption and "feature_classifier (abababab)" in shown.caption
    table = shown.data
    assert table.index.tolist() == ["expected of chance", "honest", "copier"]
    rate = sections["copier"]["memorisation"]["pixels"]["copy_rate"]
    assert table.loc["copier", "copies, pixels"].startswith(f"{rate['value']:.2f}")
    sentences = " ".join(privacy_report.findings(sections["copier"]))
    assert "more than chance" in sentences and "members can be told from others" in sentences
    assert "members can be told" not in " ".join(privacy_report.findings(sections["honest"]))
    assert f"{rate['value']:.3f}" in privacy_report.model_card_statement(sections, "copier")
    assert "not audited" in privacy_report.model_card_statement(sections, "nobody")
    assert len(figures.nearest_distances(tmp_path).plot.axes) == 2
    assert len(figures.attack_curves(tmp_path).plot.axes[0].lines) == 3
    text = sentences + privacy_report.NOT_PROVEN + privacy_report.model_card_statement(sections, "honest")
    assert "GDPR" not in text and "anonymous." in text


def test_undetected_controls_are_reported(extractor):
    data = Data()
    caught = {"copier": privacy.audit_images(privacy.copier(data, 60), data, extractor)}
    assert not any("grey levels" in sentence for sentence in privacy_report.undetected_controls(caught))
    assert "says nothing" not in privacy_report.model_card_statement(caught, "copier")
    data.test.images[:60] = data.train.images  # the same images under other patients
    missed = {"copier": privacy.audit_images(privacy.copier(data, 60), data, extractor)}
    sentence = privacy_report.undetected_controls(missed)[0]
    assert "grey levels" in sentence and "both sides" in sentence
    assert "says nothing" in privacy_report.model_card_statement(missed, "copier")
    weak = {"overfitted": {"attacks": {"discriminator": {"auc": {"value": 0.52, "low": 0.47, "high": 0.57}}}}}
    assert "The overfitted control is not detected" in privacy_report.undetected_controls(weak)[0]
    assert privacy_report.undetected_controls({}) == []
