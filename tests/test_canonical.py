"""Canonical statistics: what the reader reads in images, held against the phantoms' rules and numbers."""

import sys

import numpy as np
import pandas as pd
import pydicom
import pytest
from scipy import stats

from medgan_tf import datasets, figures, phantoms, results
from medgan_tf.metrics import canonical
from medgan_tf.phantoms import findings, rules_kept

CLASSES = ("normal", "nodule", "pneumonia", "effusion")
PIXEL = 1 / 64


def reading(count, seed=0, prevalence=(0.4, 0.2, 0.3, 0.1), most=3, diameters=(0.02, 0.075)):
    """What a reader without errors says of `count` phantoms of this model."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(CLASSES, count, p=prevalence)
    numbers = rng.integers(1, most, count, endpoint=True)
    nodules = np.where(kinds == "nodule", numbers, 0)
    return pd.DataFrame(
        {
            "lungs": 2,
            "heart_left": True,
            "nodules": nodules,
            "nodule_sizes": [rng.uniform(*diameters, number).tolist() for number in nodules],
            "lesions_inside": True,
            "pneumonia": np.where(kinds == "pneumonia", numbers, 0),
            "effusion": kinds == "effusion",
        }
    )


def changed(read, rows, **values):
    """The reading with these values in these rows."""
    read = read.copy()
    for name, value in values.items():
        read[name] = [value if row in rows else old for row, old in enumerate(read[name])]
    return read


def first(read, kind, count):
    return set(read.index[read[kind] > 0][:count])


def test_phantoms_obey_every_rule():
    read = reading(400)
    kept = rules_kept(read)
    assert kept.fillna(True).all(axis=None)
    assert kept["lesions_inside"].notna().tolist() == (read["nodules"] > 0).tolist()  # of others nothing is asked
    assert canonical(read, reading(400, seed=1))["broken"]["any rule"]["k"] == 0


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("two_lungs", {"lungs": 1}),
        ("two_lungs", {"lungs": 3}),
        ("heart_left", {"heart_left": False}),
        ("one_finding", {"effusion": True}),
        ("lesion_number", {"nodules": 4}),
        ("lesions_inside", {"lesions_inside": False}),
        ("lesion_size", {"nodule_sizes": [0.05, 0.12]}),
        ("lesion_size", {"nodule_sizes": [0.002]}),
    ],
)
def test_each_broken_rule_is_counted_with_its_interval(rule, values):
    read = reading(400)
    nodules = int((read["nodules"] > 0).sum())
    found = canonical(changed(read, first(read, "nodules", 7), **values), reading(400, seed=1))["broken"]
    asked = nodules if rule in ("lesions_inside", "lesion_size") else 400
    low, high = stats.binomtest(7, asked).proportion_ci(method="wilson")
    assert (found[rule]["k"], found[rule]["n"]) == (7, asked)
    assert (found[rule]["low"], found[rule]["high"]) == (low, high)
    assert (found["any rule"]["k"], found["any rule"]["n"]) == (7, 400)
    assert found[rule]["real_vs_real"] == 0 and found[rule]["real_vs_real_high"] > 0


def test_small_errors_of_lesion_size_do_not_break_the_rule():
    read = reading(50)
    rows = first(read, "nodules", 3)
    assert rules_kept(changed(read, rows, nodule_sizes=[0.075 + 0.9 * PIXEL]))["lesion_size"].dropna().all()
    assert not rules_kept(changed(read, rows, nodule_sizes=[0.075 + 1.1 * PIXEL]))["lesion_size"].dropna().all()


def test_lesions_count_only_in_images_with_two_lungs():
    read = changed(reading(100), set(range(100)), lungs=0, nodules=30)
    assert not findings(read).any(axis=None)
    found = canonical(read, reading(100, seed=1))
    assert found["prevalence"]["no two lungs"]["value"] == 1
    assert found["lesions"]["number of nodules"] | {
        "real_vs_real": 0,
        "real_vs_real_low": 0,
        "real_vs_real_high": 0,
    } == {
        **{"value": None, "low": None, "high": None, "n": 0},
        **{"real_vs_real": 0, "real_vs_real_low": 0, "real_vs_real_high": 0},
    }
    assert found["tests"]["diameter of nodules"]["p"] is None


def test_each_test_detects_its_own_difference_only():
    reference = reading(600, seed=1)
    numbers = canonical(reading(600, most=1), reference)["tests"]
    sizes = canonical(reading(600, diameters=(0.02, 0.05)), reference)["tests"]
    classes = canonical(reading(600, prevalence=(0.3, 0.3, 0.3, 0.1)), reference)["tests"]
    assert numbers["number of nodules"]["p"] < 1e-3 and numbers["number of patches"]["p"] < 1e-3
    assert sizes["diameter of nodules"]["p"] < 1e-6 and sizes["number of nodules"]["p"] > 0.01
    assert classes["prevalence"]["p"] < 0.01 and classes["diameter of nodules"]["p"] > 0.01
    assert numbers["prevalence"]["p"] > 0.01


def test_p_is_below_0_05_for_one_in_twenty_phantom_cohorts(monkeypatch):
    monkeypatch.setattr(sys.modules["medgan_tf.metrics.canonical"], "DRAWS", 499)
    found = [canonical(reading(150, seed), reading(150, seed + 1000), seed)["tests"] for seed in range(50)]
    for name in found[0]:
        small = np.mean([tests[name]["p"] < 0.05 for tests in found])
        assert small < 0.15, name  # numbers of lesions have ties, so their p is too large and few are small
    assert min(tests["prevalence"]["p"] for tests in found) < 0.1


def test_chi_square_agrees_with_scipy_and_ignores_empty_classes():
    read, reference = reading(300, 1, (0.5, 0.0, 0.5, 0.0)), reading(300, 2, (0.4, 0.0, 0.6, 0.0))
    found = canonical(read, reference)
    counts = [
        [round(300 * found["prevalence"][name][end]) for name in ("normal", "pneumonia")]
        for end in ("value", "real_vs_real")
    ]
    expected = stats.chi2_contingency(counts, correction=False)
    assert found["tests"]["prevalence"]["statistic"] == pytest.approx(expected.statistic)
    assert found["tests"]["prevalence"]["p"] == pytest.approx(expected.pvalue, abs=0.02)
    same = canonical(reading(50, 1, (1, 0, 0, 0)), reading(50, 2, (1, 0, 0, 0)))["tests"]["prevalence"]
    assert (same["statistic"], same["p"]) == (0, 1)


def test_independent_phantoms_are_one_per_patient_and_written_once(tmp_path):
    images, truth = phantoms.independent_images(tmp_path, datasets.read_image, 64, 12)
    assert images.shape == (12, 64, 64, 1) and truth["patient"].nunique() == 12
    drawn = {path: path.stat().st_mtime_ns for path in (tmp_path / "dicom").rglob("*.dcm")}
    again, _ = phantoms.independent_images(tmp_path, datasets.read_image, 64, 12)
    assert np.array_equal(images, again)
    assert {path: path.stat().st_mtime_ns for path in drawn} == drawn
    other, _ = phantoms.independent_images(tmp_path / "other", datasets.read_image, 64, 12, seed=7)
    assert not np.array_equal(images, other)


def test_a_phantom_that_seems_to_show_text_is_kept(tmp_path):
    images, _ = phantoms.independent_images(tmp_path, datasets.read_image, 64, 4)
    path = next((tmp_path / "dicom").rglob("*.dcm"))
    dataset = pydicom.dcmread(path)
    dataset.BurnedInAnnotation = "YES"
    dataset.save_as(path)
    again, _ = phantoms.independent_images(tmp_path, datasets.read_image, 64, 4)
    assert np.array_equal(images, again)
    assert "its header says" in (tmp_path / "images.private" / "review.csv").read_text()


def test_table_and_figures_show_the_records(tmp_path):
    reference = reading(300, seed=1)
    bad = reading(300, 2)
    sets = {"fresh phantoms": reading(300), "broken": changed(bad, set(range(0, 300, 2)), heart_left=False)}
    ends = {
        "value": 3.0,
        "low": 2.0,
        "high": 4.0,
        "real_vs_real": 2.5,
        "real_vs_real_low": 1.0,
        "real_vs_real_high": 4.5,
        "n": 150,
        "extractor": "feature_classifier",
        "weights_sha256": "ab" * 32,
    }
    for name, read in sets.items():
        metrics = {"frechet_distance": ends | {"better": "lower"}}
        results.write(tmp_path, f"canonical/{name}", {"seed": 2, "metrics": metrics} | canonical(read, reference))
    table = figures.canonical_table(tmp_path).data
    assert list(table.columns) == ["fresh phantoms", "broken"]
    low, high = (100 * end for end in stats.binomtest(150, 300).proportion_ci(method="wilson"))
    assert table.loc["% break: heart left", "broken"] == f"50.0 [{low:.1f}, {high:.1f}]"
    assert table.loc["Fréchet distance ↓", "broken"] == table.loc["Fréchet distance ↓", "fresh phantoms"]
    assert table.loc["χ², prevalence", "broken"].endswith(")") and "p = " in table.loc["χ², prevalence", "broken"]
    drawn = {figure.name: figure.plot for figure in figures.canonical(tmp_path)}
    points = {line.get_label(): line for line in drawn["canonical"].axes[0].containers}
    assert points["broken"].lines[0].get_ydata()[0] == pytest.approx(0.5)
    assert points["broken"].lines[0].get_xdata()[0] == points["fresh phantoms"].lines[0].get_xdata()[0] == 3
    assert {"canonical", "canonical_rules", "canonical_classes"} == set(drawn)
