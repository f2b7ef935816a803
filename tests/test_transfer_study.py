"""The transfer study: intervals over pairs of seeds, its figure, and its verdict where the answer is known."""

import numpy as np
import pytest
from records import measured
from scipy import stats

from medgan_tf import figures, results
from medgan_tf.intervals import paired_interval

ARMS = ("from random weights", "from other")


def study(folder, gain, noise=0.1):
    """Write results of two numbers of images and three seeds; beginning with another model lowers by `gain`."""
    generator = np.random.default_rng(0)
    for images in (100, 300):
        for seed in range(3):
            hard = generator.normal(2, 1)  # common to both arms of a seed
            for step, less in zip(ARMS, (0, gain), strict=True):
                value = hard - less + generator.normal(0, noise)
                record = measured(value, 0.2, (0.1, 0.05, 0.15)) | {"better": "lower", "extractor": "f"}
                content = {"step": step, "images": images, "seed": seed, "metrics": {"kernel_distance": record}}
                results.write(folder, f"transfer/{step}_{images}_{seed}", content)
    return results.ablation(folder, "transfer")


def test_the_paired_interval_is_that_of_a_t_test():
    differences = np.array([0.2, 0.5, 0.1, 0.4])
    value, low, high = paired_interval(differences)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (value, low, high) == pytest.approx((0.3, expected.low, expected.high))
    _, lower, higher = paired_interval(differences, comparisons=5)
    wider = stats.ttest_1samp(differences, 0).confidence_interval(0.99)
    assert (lower, higher) == pytest.approx((wider.low, wider.high))


@pytest.mark.parametrize(("gain", "found"), [(2.0, "better"), (-2.0, "worse"), (0.0, "no difference can be shown")])
def test_the_verdict_finds_a_gain_that_differences_between_seeds_hide(tmp_path, gain, found):
    sentences = figures.transfer_verdict(study(tmp_path, gain))
    assert all(
        sentence.startswith(f"{n} images, from other: {found} (")
        for n, sentence in zip((100, 300), sentences, strict=True)
    )
    assert all("3 seeds" in sentence for sentence in sentences)


def test_figure_and_table_have_both_arms_for_each_number_of_images(tmp_path):
    study(tmp_path, 1.0)
    plot = figures.transfer(tmp_path).plot
    assert [len(axis.containers) for axis in plot.axes] == [2]
    assert [text.get_text() for text in plot.axes[0].get_xticklabels()] == ["100", "300"]
    table = figures.transfer_table(tmp_path).data
    assert list(table.index) == [f"{n} images, {arm}" for n in (100, 300) for arm in ARMS]
    rows = results.ablation(tmp_path, "transfer").query("images == 100 and step == @ARMS[0]")["value"]
    assert table.iloc[0, 0].startswith(f"{rows.mean():.1f}"[:3])
    assert figures.transfer(tmp_path / "none") is None
